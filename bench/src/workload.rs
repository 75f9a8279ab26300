//! The objects: about 1 KiB each, of the same mix as the sets by which Velero was measured.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A set of objects in namespaces of its own.
pub(crate) struct Set {
    /// What the report calls it, and the prefix of its namespaces.
    pub(crate) name: String,
    /// How many objects it has, namespaces not counted.
    pub(crate) objects: usize,
    kind: Kind,
}

enum Kind {
    Mixed,
    Secrets,
}

/// One object to create.
pub(crate) struct Item {
    /// The collection's path with `{namespace}` filled in.
    pub(crate) path: String,
    /// The object.
    pub(crate) body: Value,
}

/// How the custom resource of the mixed sets is defined.
pub(crate) fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.bench.example.io"},
        "spec": {
            "group": "bench.example.io", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        }
    })
}

/// The collections that a list of a mixed set reads, across the cluster.
pub(crate) const COLLECTIONS: [&str; 6] = [
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/bench.example.io/v1/things",
];

impl Set {
    /// `objects` of six kinds over 20 namespaces.
    pub(crate) fn mixed(objects: usize) -> Self {
        Self { name: format!("mixed-{objects}"), objects, kind: Kind::Mixed }
    }

    /// `objects` Secrets in one namespace.
    pub(crate) fn secrets(objects: usize) -> Self {
        Self { name: format!("secrets-{objects}"), objects, kind: Kind::Secrets }
    }

    /// Its namespaces, with `suffix` behind the name.
    pub(crate) fn namespaces(&self, suffix: &str) -> Vec<String> {
        let count = if matches!(self.kind, Kind::Mixed) { 20 } else { 1 };
        (0..count).map(|index| format!("{}-{index:02}{suffix}", self.name)).collect()
    }

    /// Its objects, in namespaces with `suffix`. Each is made when it is asked for.
    pub(crate) fn items(&self, suffix: &str) -> impl Iterator<Item = Item> + Send + use<> {
        let namespaces = self.namespaces(suffix);
        let mixed = matches!(self.kind, Kind::Mixed);
        (0..self.objects).map(move |index| {
            let namespace = &namespaces[index / 20 % namespaces.len()];
            if mixed { mixed_item(namespace, index) } else { secret(namespace, index) }
        })
    }
}

/// Of 20: 8 ConfigMaps, 6 Secrets, 2 Deployments and ReplicaSets together, 2 Services, 2 custom resources.
fn mixed_item(namespace: &str, index: usize) -> Item {
    match index % 20 {
        0..8 => config_map(namespace, index),
        8..14 => secret(namespace, index),
        14 => deployment(namespace, index),
        15 => replica_set(namespace, index),
        16 | 17 => service(namespace, index),
        _ => thing(namespace, index),
    }
}

fn config_map(namespace: &str, index: usize) -> Item {
    let mut item = item("v1", "ConfigMap", "configmaps", namespace, &format!("config-{index}"));
    item.body["data"] = json!({"key": filler(index, 700)});
    item
}

fn secret(namespace: &str, index: usize) -> Item {
    let mut item = item("v1", "Secret", "secrets", namespace, &format!("secret-{index}"));
    item.body["stringData"] = json!({"key": filler(index, 500)});
    item
}

fn service(namespace: &str, index: usize) -> Item {
    let mut item = item("v1", "Service", "services", namespace, &format!("service-{index}"));
    item.body["spec"] =
        json!({"clusterIP": "None", "selector": {"app": filler(index, 40)}, "ports": [{"port": 80}]});
    item
}

fn thing(namespace: &str, index: usize) -> Item {
    let mut item = item("bench.example.io/v1", "Thing", "things", namespace, &format!("thing-{index}"));
    item.body["spec"] = json!({"text": filler(index, 600), "size": index});
    item
}

fn deployment(namespace: &str, index: usize) -> Item {
    let mut item = item("apps/v1", "Deployment", "deployments", namespace, &format!("deployment-{index}"));
    item.body["spec"] = workload_spec(index);
    item.body["spec"]["paused"] = true.into();
    item
}

fn replica_set(namespace: &str, index: usize) -> Item {
    let mut item = item("apps/v1", "ReplicaSet", "replicasets", namespace, &format!("replicaset-{index}"));
    item.body["spec"] = workload_spec(index);
    item
}

fn workload_spec(index: usize) -> Value {
    let labels = json!({"app": format!("app-{index}")});
    json!({"replicas": 0, "selector": {"matchLabels": labels}, "template": {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "docker.io/local/idle:1", "env": [{"name": "A", "value": filler(index, 200)}]}]}}})
}

fn item(api_version: &str, kind: &str, plural: &str, namespace: &str, name: &str) -> Item {
    let root = if api_version.contains('/') { "apis" } else { "api" };
    Item {
        path: format!("/{root}/{api_version}/namespaces/{namespace}/{plural}"),
        body: json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": namespace, "labels": {"part-of": "bench"}}}),
    }
}

/// Text that compresses about as well as real settings do: words, with numbers in between.
fn filler(seed: usize, length: usize) -> String {
    let mut state = seed as u64 | 1;
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word =
            ["alpha", "bravo", "host", "port", "value", "name", "limit", "zone"][(state >> 60) as usize % 8];
        text.push_str(word);
        let _ = write!(text, "{:x}", (state >> 40) & 0xfff);
    }
    text.truncate(length.min(63_000));
    text
}

//! What an installation consists of, as values (behaviour §2.5). Names, labels and mounts are Velero's, so that its tools find them.

use std::collections::BTreeMap;

use bowline_api::label::{COMPONENT, COMPONENT_VALUE};
use k8s_openapi::ByteString;
use serde_json::{Map, Value, json};

use super::flags::Rbac;
use super::rbac;
use crate::cli::plugin::container::init_container;

/// Name of the Secret with the credentials, and of its volume.
const SECRET: &str = "cloud-credentials";
/// Name of Deployment, service account and container.
pub(in crate::cli) const NAME: &str = "velero";
/// Where programs of the cloud providers look for credentials.
const CREDENTIAL_VARIABLES: [&str; 4] = [
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AZURE_CREDENTIALS_FILE",
    "ALIBABA_CLOUD_CREDENTIALS_FILE",
];
/// Port of metrics, health and downloads.
const PORT: u16 = 8085;

/// The user that the server runs as: nobody, as the Pod Security standard "restricted" asks for.
const USER: u32 = 65_532;

/// Everything that the objects depend on.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) namespace: String,
    pub(super) image: String,
    /// Arguments of the server.
    pub(super) arguments: Vec<String>,
    /// A service account that exists; empty makes one.
    pub(super) service_account: String,
    pub(super) service_account_annotations: BTreeMap<String, String>,
    pub(super) pod_labels: BTreeMap<String, String>,
    pub(super) pod_annotations: BTreeMap<String, String>,
    /// Requests and limits: `("requests", "cpu", "500m")`; 0 is none.
    pub(super) resources: Vec<(&'static str, &'static str, String)>,
    pub(super) priority_class: String,
    pub(super) replicas: u32,
    /// Images of plugins.
    pub(super) plugins: Vec<String>,
    pub(super) rbac: Rbac,
    /// Content of the file with the credentials.
    pub(super) secret: Option<Vec<u8>>,
    pub(super) backup_location: Option<BackupLocation>,
    pub(super) snapshot_location: Option<SnapshotLocation>,
}

/// The default backup storage location.
#[derive(Default)]
pub(super) struct BackupLocation {
    pub(super) provider: String,
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) config: BTreeMap<String, String>,
    pub(super) ca_cert: Option<Vec<u8>>,
}

/// The default snapshot location.
#[derive(Default)]
pub(super) struct SnapshotLocation {
    pub(super) provider: String,
    pub(super) config: BTreeMap<String, String>,
}

/// Name of the server's binding, and of its role where it has one. It is not namespaced, so it names the namespace if that is not the usual.
pub(in crate::cli) fn binding_name(namespace: &str) -> String {
    if namespace == NAME { NAME.to_owned() } else { format!("{NAME}-{namespace}") }
}

/// All objects but the custom resource definitions, in the order in which they can be made.
pub(super) fn objects(plan: &Plan) -> anyhow::Result<Vec<Value>> {
    let mut objects = vec![namespace(plan)];
    if plan.service_account.is_empty() {
        objects.push(service_account(plan));
        objects.extend(rbac::objects(plan));
    }
    if let Some(content) = &plan.secret {
        objects.push(secret(plan, content)?);
    }
    if let Some(location) = &plan.backup_location {
        objects.push(backup_location(plan, location)?);
    }
    if let Some(location) = &plan.snapshot_location {
        objects.push(snapshot_location(plan, location));
    }
    objects.push(deployment(plan));
    Ok(objects)
}

pub(super) fn object(plan: &Plan, api_version: &str, kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": { "name": name, "namespace": plan.namespace, "labels": { COMPONENT: COMPONENT_VALUE } },
    })
}

fn namespace(plan: &Plan) -> Value {
    let mut labels = Map::from_iter([(COMPONENT.to_owned(), json!(COMPONENT_VALUE))]);
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), json!("privileged"));
        labels.insert(format!("pod-security.kubernetes.io/{mode}-version"), json!("latest"));
    }
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": plan.namespace, "labels": labels } })
}

fn service_account(plan: &Plan) -> Value {
    let mut account = object(plan, "v1", "ServiceAccount", NAME);
    if !plan.service_account_annotations.is_empty() {
        account["metadata"]["annotations"] = json!(plan.service_account_annotations);
    }
    account
}

fn secret(plan: &Plan, content: &[u8]) -> serde_json::Result<Value> {
    let mut secret = object(plan, "v1", "Secret", SECRET);
    secret["type"] = json!("Opaque");
    secret["data"] = json!({ "cloud": serde_json::to_value(ByteString(content.to_vec()))? });
    Ok(secret)
}

fn backup_location(plan: &Plan, from: &BackupLocation) -> serde_json::Result<Value> {
    let mut location = object(plan, "velero.io/v1", "BackupStorageLocation", "default");
    let mut storage = json!({ "bucket": from.bucket });
    if !from.prefix.is_empty() {
        storage["prefix"] = json!(from.prefix);
    }
    if let Some(certificates) = &from.ca_cert {
        storage["caCert"] = serde_json::to_value(ByteString(certificates.clone()))?;
    }
    location["spec"] = json!({ "provider": from.provider, "default": true, "objectStorage": storage });
    if !from.config.is_empty() {
        location["spec"]["config"] = json!(from.config);
    }
    Ok(location)
}

fn snapshot_location(plan: &Plan, from: &SnapshotLocation) -> Value {
    let mut location = object(plan, "velero.io/v1", "VolumeSnapshotLocation", "default");
    location["spec"] = json!({ "provider": from.provider });
    if !from.config.is_empty() {
        location["spec"]["config"] = json!(from.config);
    }
    location
}

fn deployment(plan: &Plan) -> Value {
    let mut labels = plan.pod_labels.clone();
    labels
        .extend([(COMPONENT.to_owned(), COMPONENT_VALUE.to_owned()), ("deploy".to_owned(), NAME.to_owned())]);
    let mut annotations = plan.pod_annotations.clone();
    for (key, value) in [("scrape", "true"), ("path", "/metrics"), ("port", "8085")] {
        annotations.insert(format!("prometheus.io/{key}"), value.to_owned());
    }
    let mut deployment = object(plan, "apps/v1", "Deployment", NAME);
    deployment["spec"] = json!({
        "replicas": plan.replicas,
        "selector": { "matchLabels": { "deploy": NAME } },
        "template": { "metadata": { "labels": labels, "annotations": annotations }, "spec": pod(plan) },
    });
    deployment
}

fn pod(plan: &Plan) -> Value {
    let account = if plan.service_account.is_empty() { NAME } else { &plan.service_account };
    let mut volumes =
        vec![json!({ "name": "plugins", "emptyDir": {} }), json!({ "name": "scratch", "emptyDir": {} })];
    if plan.secret.is_some() {
        volumes.push(json!({ "name": SECRET, "secret": { "secretName": SECRET, "defaultMode": 0o444 } }));
    }
    let linux = json!({ "key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"] });
    let mut pod = json!({
        "serviceAccountName": account,
        "restartPolicy": "Always",
        "containers": [container(plan)],
        "volumes": volumes,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [linux] }],
        } } },
    });
    if !plan.priority_class.is_empty() {
        pod["priorityClassName"] = json!(plan.priority_class);
    }
    if !plan.plugins.is_empty() {
        let plugin = |image: &String| init_container(image, pull_policy(image));
        pod["initContainers"] = plan.plugins.iter().map(plugin).collect();
    }
    pod
}

fn container(plan: &Plan) -> Value {
    let mut mounts = vec![
        json!({ "name": "plugins", "mountPath": "/plugins" }),
        json!({ "name": "scratch", "mountPath": "/scratch" }),
    ];
    let mut variables = vec![
        json!({ "name": "VELERO_SCRATCH_DIR", "value": "/scratch" }),
        json!({ "name": "VELERO_NAMESPACE", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } } }),
        json!({ "name": "LD_LIBRARY_PATH", "value": "/plugins" }),
    ];
    if plan.secret.is_some() {
        mounts.push(json!({ "name": SECRET, "mountPath": "/credentials" }));
        let file = |name| json!({ "name": name, "value": "/credentials/cloud" });
        variables.extend(CREDENTIAL_VARIABLES.into_iter().map(file));
    }
    let arguments: Vec<&str> = ["server", "--scratch-dir=/scratch"]
        .into_iter()
        .chain(plan.arguments.iter().map(String::as_str))
        .collect();
    json!({
        "name": NAME,
        "image": plan.image,
        "imagePullPolicy": pull_policy(&plan.image),
        "command": ["bowline"],
        "args": arguments,
        "env": variables,
        "ports": [{ "name": "metrics", "containerPort": PORT, "protocol": "TCP" }],
        "readinessProbe": { "httpGet": { "path": "/readyz", "port": "metrics" } },
        "resources": resources(plan),
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        "volumeMounts": mounts,
    })
}

fn resources(plan: &Plan) -> Value {
    let mut resources = Map::new();
    for (kind, name, quantity) in plan.resources.iter().filter(|(.., quantity)| quantity != "0") {
        let kind = resources.entry(*kind).or_insert_with(|| json!({}));
        kind[*name] = json!(quantity);
    }
    Value::Object(resources)
}

/// An image without a tag, or with the tag `latest`, may change at any time.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or(image);
    let latest = !name.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    if latest { "Always" } else { "IfNotPresent" }
}

#[cfg(test)]
mod tests {
    use super::{BackupLocation, Plan, SnapshotLocation, objects, pull_policy};
    use crate::output::encode::{Encoding, encode, list};

    fn full() -> Plan {
        let one = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
        Plan {
            namespace: "backups".into(),
            image: "registry.example/bowline:v1".into(),
            arguments: vec!["--garbage-collection-frequency=2h0m0s".into()],
            pod_labels: one("team", "a"),
            pod_annotations: one("note", "b"),
            service_account_annotations: one("role", "c"),
            replicas: 2,
            plugins: vec!["velero/velero-plugin-for-aws:v1.13.0".into()],
            resources: vec![("requests", "cpu", "500m".into()), ("limits", "memory", "0".into())],
            priority_class: "high".into(),
            secret: Some(b"[default]".to_vec()),
            backup_location: Some(BackupLocation {
                provider: "aws".into(),
                bucket: "bucket".into(),
                prefix: "here".into(),
                config: one("region", "eu"),
                ca_cert: Some(b"certificate".to_vec()),
            }),
            snapshot_location: Some(SnapshotLocation { provider: "aws".into(), config: one("region", "eu") }),
            ..Plan::default()
        }
    }

    #[test]
    fn an_installation_is_as_reviewed() {
        let yaml = encode(&list(&objects(&full()).unwrap()), Encoding::Yaml).unwrap();
        insta::assert_snapshot!("installation", yaml);
    }

    #[test]
    fn the_least_installation_has_no_credentials_and_no_location() {
        let plan = Plan { namespace: "velero".into(), service_account: "mine".into(), ..Plan::default() };
        let objects = objects(&plan).unwrap();
        let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
        assert_eq!(kinds, ["Namespace", "Deployment"]);
        let text = objects[1].to_string();
        assert!(!text.contains("credentials") && text.contains(r#""serviceAccountName":"mine""#), "{text}");
    }

    #[test]
    fn images_that_may_change_are_always_pulled() {
        for (image, policy) in [
            ("bowline", "Always"),
            ("host:5000/bowline", "Always"),
            ("bowline:latest", "Always"),
            ("host:5000/bowline:v1", "IfNotPresent"),
            ("bowline@sha256:abc", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }
}

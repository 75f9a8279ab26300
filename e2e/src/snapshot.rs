//! Everything that is in a cluster at one moment, or a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use crate::Cluster;

/// What an object is called, whatever version of its API is asked for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object; parts that it does not have are empty.
    pub fn of(object: &Value) -> Self {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = text("/apiVersion");
        let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
        Self {
            group,
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }

    /// `Deployment.apps`, or `Pod` for the core group.
    pub fn kind_and_group(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind_and_group())?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// Objects by what they are called.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The objects, as the API server gave them.
    pub objects: BTreeMap<ObjectKey, Value>,
}

impl Snapshot {
    /// All objects of some namespaces, the namespaces themselves, and the cluster-scoped objects that a label selector finds.
    /// Of a kind with several versions, the preferred one. Events are left out: they tell what happened, they are not state.
    pub fn take(cluster: &Cluster, namespaces: &[&str], cluster_scoped: &str) -> Result<Self> {
        let mut found = Self::default();
        let namespaced = kinds(cluster, true)?;
        for namespace in namespaces {
            found.extend(&cluster.get(&[&namespaced, "-n", namespace])?);
            found.extend(&cluster.get(&[
                "namespace",
                "--field-selector",
                &format!("metadata.name={namespace}"),
            ])?);
        }
        found.extend(&cluster.get(&[&kinds(cluster, false)?, "-l", cluster_scoped])?);
        Ok(found)
    }

    /// All objects of the cluster, but for events.
    pub fn everything(cluster: &Cluster) -> Result<Self> {
        let mut found = Self::default();
        found.extend(&cluster.get(&[&kinds(cluster, true)?, "--all-namespaces"])?);
        found.extend(&cluster.get(&[&kinds(cluster, false)?])?);
        Ok(found)
    }

    /// What was not there before, in any namespace but those of Kubernetes itself, where things come and go.
    fn new_since(&self, before: &Self) -> Vec<&ObjectKey> {
        const KUBERNETES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "default"];
        let elsewhere = self.objects.keys().filter(|key| !KUBERNETES.contains(&key.namespace.as_str()));
        elsewhere.filter(|key| !before.objects.contains_key(key)).collect()
    }

    /// What is new in the cluster and does not go within 20 seconds: some things go a moment after what they came with.
    pub fn left_in(cluster: &Cluster, before: &Self) -> Result<Vec<String>> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let now = Self::everything(cluster)?;
            let left: Vec<String> = now.new_since(before).iter().map(ToString::to_string).collect();
            if left.is_empty() || Instant::now() > deadline {
                return Ok(left);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// How many kinds there are.
    pub fn kinds(&self) -> usize {
        self.objects.keys().map(ObjectKey::kind_and_group).collect::<BTreeSet<_>>().len()
    }

    fn extend(&mut self, list: &Value) {
        let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
        self.objects.extend(items.map(|object| (ObjectKey::of(object), object.clone())));
    }
}

/// Every kind that can be listed and created, as kubectl wants them: `configmaps,deployments.apps,...`.
fn kinds(cluster: &Cluster, namespaced: bool) -> Result<String> {
    let scope = format!("--namespaced={namespaced}");
    let text = cluster.kubectl(["api-resources", "--verbs=list,create", &scope, "-o", "name"])?.ok()?;
    let names: Vec<_> =
        text.lines().filter(|name| !matches!(*name, "events" | "events.events.k8s.io")).collect();
    Ok(names.join(","))
}

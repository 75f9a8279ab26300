//! What the memory cluster holds, and what has changed in it.

use std::collections::{BTreeMap, BTreeSet};

use bowline_engine::catalog::{BrokenGroup, Catalog, Kind};
use bowline_engine::port::{ClusterError, ObjectRef};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

/// `(plural.group, namespace, name)`; namespace is empty for cluster-scoped kinds.
pub(super) type Key = (String, String, String);

pub(super) struct State {
    pub(super) kinds: Vec<Kind>,
    pub(super) broken: Vec<BrokenGroup>,
    pub(super) objects: BTreeMap<Key, Value>,
    /// Tells the time of creations and deletions.
    pub(super) now: Box<dyn Fn() -> Timestamp + Send>,
    /// Resources whose status is written with the rest, as of definitions without that subresource.
    whole: BTreeSet<String>,
    /// Whether new definitions are established at once.
    pub(super) establishes: bool,
    revision: u64,
    history: Vec<Change>,
    /// Changes up to this revision are not remembered.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "only the client's watches read it"))]
    compacted: u64,
    /// The revision of the last change.
    told: u64,
    changed: watch::Sender<u64>,
}

/// One change of an object, as watches tell it.
#[derive(Clone)]
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "only the client's watches read it"))]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) key: Key,
    /// `ADDED`, `MODIFIED`, `DELETED`.
    pub(super) kind: &'static str,
    /// The object; its last form for a deletion.
    pub(super) object: Value,
}

impl State {
    pub(super) fn new(kinds: Vec<Kind>, now: impl Fn() -> Timestamp + Send + 'static) -> Self {
        Self {
            kinds,
            broken: Vec::new(),
            objects: BTreeMap::new(),
            now: Box::new(now),
            whole: BTreeSet::new(),
            establishes: true,
            revision: 100,
            history: Vec::new(),
            compacted: 0,
            told: 0,
            changed: watch::Sender::new(100),
        }
    }

    pub(super) fn catalog(&self) -> Catalog {
        Catalog::new(self.kinds.clone(), self.broken.clone())
    }

    pub(super) fn serve(&mut self, kind: Kind) {
        self.kinds.push(kind);
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// Whether the status of a resource can only be written through its subresource.
    pub(super) fn has_status_subresource(&self, resource: &str) -> bool {
        !self.whole.contains(resource)
    }

    pub(super) fn put(&mut self, object: Value) {
        self.serve_crd(&object);
        let key = self.key_of(&object).expect("a test puts only objects of served kinds");
        let namespace = key.1.clone();
        if !namespace.is_empty() && self.find("namespaces", "", &namespace).is_none() {
            self.put(crate::object::namespace(&namespace));
        }
        self.insert(key, object);
    }

    /// Stores an object and tells it.
    pub(super) fn insert(&mut self, key: Key, object: Value) {
        let kind = if self.objects.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        self.objects.insert(key.clone(), object.clone());
        self.tell(kind, key, object);
    }

    /// Removes an object and tells it.
    pub(super) fn erase(&mut self, key: &Key) {
        let Some(mut object) = self.objects.remove(key) else { return };
        object["metadata"]["resourceVersion"] = self.next_revision().to_string().into();
        self.tell("DELETED", key.clone(), object);
    }

    fn tell(&mut self, kind: &'static str, key: Key, object: Value) {
        // A test may store an object word for word, which makes no revision.
        if self.told == self.revision {
            self.next_revision();
        }
        let revision = self.revision;
        self.told = revision;
        self.history.push(Change { revision, key, kind, object });
        self.changed.send_replace(revision);
    }

    pub(super) fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(resource.into(), namespace.into(), name.into()))
    }

    pub(super) fn remove(&mut self, resource: &str, namespace: &str, name: &str) {
        self.erase(&(resource.into(), namespace.into(), name.into()));
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.objects
            .keys()
            .map(|(resource, namespace, name)| {
                if namespace.is_empty() {
                    format!("{resource} {name}")
                } else {
                    format!("{resource} {namespace}/{name}")
                }
            })
            .collect()
    }

    /// Checks that the kind is served and, where it lives in a namespace, that the namespace is there.
    pub(super) fn locate(&self, object: &ObjectRef) -> Result<Key, ClusterError> {
        let resource = object.kind.group_resource();
        if self.catalog().get_version(&resource, &object.kind.version).is_none() {
            return Err(ClusterError::NotFound {
                message: "the server could not find the requested resource".into(),
            });
        }
        Ok((resource.to_string(), object.namespace.clone().unwrap_or_default(), object.name.clone()))
    }

    /// Serves the kinds of a CRD, and marks it established, as the real controllers do a moment later.
    pub(super) fn serve_crd(&mut self, crd: &Value) {
        if crd["kind"] != "CustomResourceDefinition" {
            return;
        }
        let spec = &crd["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for version in spec["versions"].as_array().into_iter().flatten() {
            let mut kind = Kind::builtin(
                &text(&spec["group"]),
                &text(&version["name"]),
                &text(&spec["names"]["kind"]),
                &text(&spec["names"]["plural"]),
                spec["scope"] == "Namespaced",
            );
            if version["subresources"]["status"].is_null() {
                self.whole.insert(kind.group_resource().to_string());
            }
            kind.preferred = self.kinds.iter().all(|served| served.group_resource() != kind.group_resource());
            if !self.kinds.iter().any(|served| {
                served.group_resource() == kind.group_resource() && served.version == kind.version
            }) {
                self.kinds.push(kind);
            }
        }
    }

    pub(super) fn establish(&self, object: &mut Value) {
        if self.establishes && object["kind"] == "CustomResourceDefinition" {
            object["status"] = json!({"conditions": [
                {"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]});
        }
    }

    fn key_of(&self, object: &Value) -> Option<Key> {
        let catalog = self.catalog();
        let kind = catalog.of_object(object["apiVersion"].as_str()?, object["kind"].as_str()?)?;
        let namespace =
            object["metadata"]["namespace"].as_str().filter(|_| kind.namespaced).unwrap_or_default();
        Some((
            kind.group_resource().to_string(),
            namespace.into(),
            object["metadata"]["name"].as_str()?.into(),
        ))
    }
}

#[cfg(feature = "server")]
impl State {
    /// The changes after a revision; `None` when they are not remembered any more.
    pub(super) fn changes_after(&self, revision: u64) -> Option<&[Change]> {
        let first = self.history.partition_point(|change| change.revision <= revision);
        (revision >= self.compacted).then(|| &self.history[first..])
    }

    /// Forgets the changes so far, as a compaction does.
    pub(super) fn forget_changes(&mut self) {
        self.history.clear();
        self.compacted = self.revision;
    }

    /// Wakes at every change.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

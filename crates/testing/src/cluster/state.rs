//! What the memory cluster holds.

use std::collections::BTreeMap;

use bowline_engine::catalog::{BrokenGroup, Catalog, Kind};
use bowline_engine::port::{ClusterError, ObjectRef};
use serde_json::{Value, json};

/// `(plural.group, namespace, name)`; namespace is empty for cluster-scoped kinds.
pub(super) type Key = (String, String, String);

pub(super) struct State {
    pub(super) kinds: Vec<Kind>,
    pub(super) broken: Vec<BrokenGroup>,
    pub(super) objects: BTreeMap<Key, Value>,
    revision: u64,
}

impl State {
    pub(super) fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds, broken: Vec::new(), objects: BTreeMap::new(), revision: 100 }
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

    pub(super) fn put(&mut self, object: Value) {
        self.serve_crd(&object);
        let key = self.key_of(&object).expect("a test puts only objects of served kinds");
        let namespace = key.1.clone();
        if !namespace.is_empty() && self.find("namespaces", "", &namespace).is_none() {
            self.put(crate::object::namespace(&namespace));
        }
        self.objects.insert(key, object);
    }

    pub(super) fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(resource.into(), namespace.into(), name.into()))
    }

    pub(super) fn remove(&mut self, resource: &str, namespace: &str, name: &str) {
        self.objects.remove(&(resource.into(), namespace.into(), name.into()));
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
            kind.preferred = self.kinds.iter().all(|served| served.group_resource() != kind.group_resource());
            if !self.kinds.iter().any(|served| {
                served.group_resource() == kind.group_resource() && served.version == kind.version
            }) {
                self.kinds.push(kind);
            }
        }
    }

    pub(super) fn establish(object: &mut Value) {
        if object["kind"] == "CustomResourceDefinition" {
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

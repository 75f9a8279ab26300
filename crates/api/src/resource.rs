//! Names of resources, kinds and objects.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A resource without its version: `pods`, `deployments.apps`. Sorts by group, then resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupResource {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name, in lower case.
    pub resource: String,
}

impl GroupResource {
    /// From a group, empty for the core one, and a plural name.
    pub fn new(group: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { group: group.into(), resource: resource.into() }
    }

    /// Whether this is that resource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.group == group && self.resource == resource
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.pad(&self.resource)
        } else {
            f.pad(&format!("{}.{}", self.resource, self.group))
        }
    }
}

impl FromStr for GroupResource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text))
    }
}

impl From<&str> for GroupResource {
    /// Splits at the first dot; whether such a resource exists is another question.
    fn from(text: &str) -> Self {
        let (resource, group) = text.split_once('.').unwrap_or((text, ""));
        Self::new(group, resource)
    }
}

impl Serialize for GroupResource {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupResource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// A kind with its version: `v1/Pod`, `apps/v1/Deployment`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupVersionKind {
    /// API group; empty for the core group.
    pub group: String,
    /// Version inside the group.
    pub version: String,
    /// Kind, in camel case.
    pub kind: String,
}

impl GroupVersionKind {
    /// From a group, empty for the core one, a version and a kind.
    pub fn new(group: impl Into<String>, version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// From an object's `apiVersion` and `kind`.
    pub fn from_api_version(api_version: &str, kind: impl Into<String>) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self::new(group, version, kind)
    }

    /// Group and version as in an object's `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for GroupVersionKind {
    /// As in resource lists: `apps/v1/Deployment`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.api_version(), self.kind))
    }
}

/// Name and namespace of an object. Sorts by namespace, cluster-scoped ones first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Namespace; `None` for a cluster-scoped object.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// Of an object in a namespace.
    pub fn namespaced(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), name: name.into() }
    }

    /// Of a cluster-scoped object.
    pub fn cluster(name: impl Into<String>) -> Self {
        Self { namespace: None, name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    /// As in resource lists: `namespace/name`, or `name` if cluster-scoped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => f.pad(&format!("{namespace}/{}", self.name)),
            None => f.pad(&self.name),
        }
    }
}

impl From<&str> for ObjectKey {
    /// From `namespace/name` or `name`.
    fn from(text: &str) -> Self {
        match text.split_once('/') {
            Some((namespace, name)) => Self::namespaced(namespace, name),
            None => Self::cluster(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GroupResource, GroupVersionKind, ObjectKey};

    #[test]
    fn resources_are_split_at_the_first_dot() {
        let cases = [
            ("pods", "", "pods"),
            ("deployments.apps", "apps", "deployments"),
            ("roles.rbac.authorization.k8s.io", "rbac.authorization.k8s.io", "roles"),
        ];
        for (text, group, resource) in cases {
            let parsed = GroupResource::from(text);
            assert_eq!(parsed, GroupResource::new(group, resource));
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn kinds_print_as_in_resource_lists() {
        for (api_version, kind, text) in
            [("v1", "Pod", "v1/Pod"), ("apps/v1", "Deployment", "apps/v1/Deployment")]
        {
            let parsed = GroupVersionKind::from_api_version(api_version, kind);
            assert_eq!(parsed.to_string(), text);
            assert_eq!(parsed.api_version(), api_version);
        }
    }

    #[test]
    fn objects_print_with_their_namespace_if_they_have_one() {
        for (text, key) in
            [("ns/a", ObjectKey::namespaced("ns", "a")), ("system:node", ObjectKey::cluster("system:node"))]
        {
            assert_eq!(ObjectKey::from(text), key);
            assert_eq!(key.to_string(), text);
        }
    }
}

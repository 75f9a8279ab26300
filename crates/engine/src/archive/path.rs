//! Paths inside the archive (backup-format §4.1).

use crate::action::ItemId;
use crate::catalog::GroupResource;

/// Path of the file that holds the format version.
pub const VERSION_FILE: &str = "metadata/version";

const PREFERRED_SUFFIX: &str = "-preferredversion";

/// Which copy of an object a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copy {
    /// The copy without a version, which readers use by default.
    Plain,
    /// The copy at the version that the source cluster preferred.
    Preferred(String),
    /// A copy at another version (EnableAPIGroupVersions).
    Version(String),
}

/// Path of an object.
pub fn of(item: &ItemId, copy: &Copy) -> String {
    of_parts(&item.resource.to_string(), copy, item.namespace.as_deref(), &item.name)
}

/// Path of an object whose `plural.group` is text already.
pub fn of_parts(resource: &str, copy: &Copy, namespace: Option<&str>, name: &str) -> String {
    let version = match copy {
        Copy::Plain => String::new(),
        Copy::Preferred(version) => format!("{version}{PREFERRED_SUFFIX}/"),
        Copy::Version(version) => format!("{version}/"),
    };
    match namespace {
        Some(namespace) => format!("resources/{resource}/{version}namespaces/{namespace}/{name}.json"),
        None => format!("resources/{resource}/{version}cluster/{name}.json"),
    }
}

/// Reads the path of an object back. `None` for a path of another shape, also for one with `.`, `..` or empty segments.
pub fn parse(path: &str) -> Option<(ItemId, Copy)> {
    let parts: Vec<&str> = path.strip_prefix("./").unwrap_or(path).split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return None;
    }
    let (resource, copy, scope, rest) = match parts.as_slice() {
        ["resources", resource, scope @ ("cluster" | "namespaces"), rest @ ..] => {
            (*resource, Copy::Plain, *scope, rest)
        }
        ["resources", resource, version, scope @ ("cluster" | "namespaces"), rest @ ..] => {
            let copy = match version.strip_suffix(PREFERRED_SUFFIX) {
                Some(preferred) => Copy::Preferred(preferred.into()),
                None => Copy::Version((*version).into()),
            };
            (*resource, copy, *scope, rest)
        }
        _ => return None,
    };
    let (namespace, file) = match (scope, rest) {
        ("cluster", [file]) => (None, *file),
        ("namespaces", [namespace, file]) => (Some((*namespace).to_owned()), *file),
        _ => return None,
    };
    let name = file.strip_suffix(".json").filter(|name| !name.is_empty())?.to_owned();
    let resource: GroupResource = resource.parse().ok()?;
    Some((ItemId { resource, namespace, name }, copy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_reads_back() {
        for path in [
            "resources/pods/namespaces/shop/web.json",
            "resources/pods/v1-preferredversion/namespaces/shop/web.json",
            "resources/clusterroles.rbac.authorization.k8s.io/cluster/system:x.json",
            "resources/clusterroles.rbac.authorization.k8s.io/v1beta1/cluster/system:x.json",
        ] {
            let (item, copy) = parse(path).unwrap();
            assert_eq!(of(&item, &copy), path);
        }
    }

    #[test]
    fn foreign_and_hostile_paths_are_not_objects() {
        for path in [
            "metadata/version",
            "resources/pods/namespaces/../web.json",
            "resources/pods/namespaces/shop/a/b.json",
            "../resources/pods/cluster/a.json",
            "/resources/pods/cluster/a.json",
            "resources/pods/cluster/.json",
        ] {
            assert!(parse(path).is_none(), "{path}");
        }
    }
}

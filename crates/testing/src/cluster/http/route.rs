//! What a request asks for.

use std::sync::Arc;

use bowline_engine::catalog::{Catalog, GroupResource, Kind};
use bowline_engine::port::ObjectRef;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, Uri};

/// A request, read whole.
pub(super) struct Incoming {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Where a path leads.
pub(super) enum Route {
    Version,
    /// `/api`, `/apis` or a group version below them.
    Discovery(String),
    Objects(Objects),
}

/// Objects of a kind, or one of them.
pub(super) struct Objects {
    pub(super) kind: Arc<Kind>,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Objects {
    pub(super) fn reference(&self, name: &str) -> ObjectRef {
        ObjectRef { kind: Arc::clone(&self.kind), namespace: self.namespace.clone(), name: name.to_owned() }
    }
}

impl Incoming {
    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| unescape(value))
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| !matches!(value.as_str(), "" | "false" | "0"))
    }

    pub(super) fn accepts(&self, text: &str) -> bool {
        self.header(ACCEPT).contains(text)
    }

    pub(super) fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE).split(';').next().unwrap_or_default()
    }

    fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// `None` where nothing is served.
pub(super) fn find(catalog: &Catalog, path: &str) -> Option<Route> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(unescape).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let served = |group: &str, version: &str| {
        catalog.all().iter().any(|kind| kind.group == group && kind.version == version)
    };
    match *parts.as_slice() {
        ["version"] => Some(Route::Version),
        ["api" | "apis"] => Some(Route::Discovery(path.to_owned())),
        ["api", version] => served("", version).then(|| Route::Discovery(path.to_owned())),
        ["apis", group, version] => served(group, version).then(|| Route::Discovery(path.to_owned())),
        ["api", version, ref rest @ ..] => objects(catalog, "", version, rest),
        ["apis", group, version, ref rest @ ..] => objects(catalog, group, version, rest),
        _ => None,
    }
}

fn objects(catalog: &Catalog, group: &str, version: &str, rest: &[&str]) -> Option<Route> {
    let (namespace, rest) = match *rest {
        // A subresource of the namespace itself.
        ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, _, ..] => (Some(namespace.to_owned()), &rest[2..]),
        _ => (None, rest),
    };
    let resource = rest.first()?;
    let kind = catalog.get_version(&GroupResource::new(group, *resource), version)?;
    let part = |index: usize| rest.get(index).map(|part| (*part).to_owned());
    Some(Route::Objects(Objects { kind: Arc::clone(kind), namespace, name: part(1), subresource: part(2) }))
}

/// Undoes percent-encoding.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> String {
        let catalog = Catalog::new(
            vec![
                Kind::builtin("", "v1", "Pod", "pods", true),
                Kind::builtin("", "v1", "Namespace", "namespaces", false),
                Kind::builtin("apps", "v1", "Deployment", "deployments", true),
            ],
            Vec::new(),
        );
        match find(&catalog, path) {
            None => "-".into(),
            Some(Route::Version) => "version".into(),
            Some(Route::Discovery(path)) => format!("discovery {path}"),
            Some(Route::Objects(Objects { kind, namespace, name, subresource })) => {
                let parts = [Some(kind.plural.clone()), namespace, name, subresource];
                parts.map(|part| part.unwrap_or("-".into())).join(" ")
            }
        }
    }

    #[test]
    fn paths_lead_to_kinds_namespaces_names_and_subresources() {
        for (path, expected) in [
            ("/version", "version"),
            ("/apis/apps/v1", "discovery /apis/apps/v1"),
            ("/apis/apps/v2", "-"),
            ("/api/v1/pods", "pods - - -"),
            ("/api/v1/namespaces/shop/pods/web%2Fa", "pods shop web/a -"),
            ("/api/v1/namespaces/shop", "namespaces - shop -"),
            ("/api/v1/namespaces/shop/status", "namespaces - shop status"),
            ("/apis/apps/v1/namespaces/shop/deployments/web/status", "deployments shop web status"),
            ("/apis/apps/v1/namespaces/shop/pods", "-"),
        ] {
            assert_eq!(found(path), expected, "{path}");
        }
    }
}

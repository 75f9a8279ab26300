//! Paths and queries of the API, with every part escaped.

use std::fmt::Write;

use bowline_engine::catalog::Kind;
use bowline_engine::port::{ObjectRef, WriteOptions};

/// A path of the API server, with its query.
#[derive(Debug)]
pub(super) struct Address {
    text: String,
    has_query: bool,
}

impl Address {
    /// All objects of a kind, in one namespace or in all.
    pub(super) fn of(kind: &Kind, namespace: Option<&str>) -> Self {
        let mut text =
            if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
        let namespace = namespace.filter(|_| kind.namespaced).map(|name| ["namespaces", name]);
        let parts = [kind.version.as_str()].into_iter().chain(namespace.into_iter().flatten());
        parts.chain([kind.plural.as_str()]).for_each(|part| segment(&mut text, part));
        Self { text, has_query: false }
    }

    /// One object, or a subresource of it.
    pub(super) fn of_object(object: &ObjectRef, subresource: Option<&str>) -> Self {
        let mut address = Self::of(&object.kind, object.namespace.as_deref());
        [object.name.as_str()]
            .into_iter()
            .chain(subresource)
            .for_each(|part| segment(&mut address.text, part));
        address
    }

    /// Adds a parameter to the query, unless it is empty.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.text.push(if self.has_query { '&' } else { '?' });
            self.has_query = true;
            self.text.push_str(name);
            self.text.push('=');
            escape(&mut self.text, value);
        }
        self
    }

    /// Adds what every write may say.
    pub(super) fn with_options(self, options: &WriteOptions) -> Self {
        self.with("fieldManager", &options.field_manager)
            .with("dryRun", if options.dry_run { "All" } else { "" })
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

fn segment(text: &mut String, part: &str) {
    text.push('/');
    escape(text, part);
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn escape(text: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn object(kind: Kind, namespace: Option<&str>, name: &str) -> ObjectRef {
        ObjectRef { kind: Arc::new(kind), namespace: namespace.map(Into::into), name: name.into() }
    }

    #[test]
    fn addresses_follow_group_scope_and_subresource() {
        let pods = Kind::builtin("", "v1", "Pod", "pods", true);
        let roles = Kind::builtin("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false);
        let text = |address: Address| String::from(address);
        assert_eq!(text(Address::of(&pods, None)), "/api/v1/pods");
        assert_eq!(
            text(Address::of_object(&object(pods.clone(), Some("shop"), "web"), Some("status"))),
            "/api/v1/namespaces/shop/pods/web/status"
        );
        assert_eq!(
            text(Address::of_object(&object(roles, None, "system:a b/../%"), None)),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Aa%20b%2F..%2F%25"
        );
    }

    #[test]
    fn only_given_parameters_are_sent_and_they_are_escaped() {
        let pods = Kind::builtin("", "v1", "Pod", "pods", true);
        let address = Address::of(&pods, Some("a"))
            .with("limit", "")
            .with("labelSelector", "a in (b,c)")
            .with("continue", "x=");
        assert_eq!(
            String::from(address),
            "/api/v1/namespaces/a/pods?labelSelector=a%20in%20%28b%2Cc%29&continue=x%3D"
        );
    }
}

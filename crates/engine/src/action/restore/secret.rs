//! `velero.io/secret`: tokens of service accounts are made by the cluster. Those that old clusters made unasked are left out; those
//! that a user asked for come back empty, for the cluster to fill.
//!
//! Velero compares the name with all accounts of the namespace; the secret's own annotation says which account is meant, so that the
//! result does not depend on what is restored already.

use serde_json::Value;

use super::super::RestoreEffects;
use super::{Pure, map_mut, text};

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/secret",
    resources: &["secrets"],
    execute: |secret, _| Ok(RestoreEffects { skip: reset(secret), ..RestoreEffects::default() }),
};

const ACCOUNT_NAME: &str = "/metadata/annotations/kubernetes.io~1service-account.name";

fn reset(secret: &mut Value) -> Option<String> {
    if text(secret, "/type") != "kubernetes.io/service-account-token" {
        return None;
    }
    let account = text(secret, ACCOUNT_NAME);
    if !account.is_empty() && text(secret, "/metadata/name").starts_with(&format!("{account}-token-")) {
        return Some("the cluster makes the token of a service account itself".to_owned());
    }
    if let Some(annotations) = map_mut(secret, "/metadata/annotations") {
        annotations.remove("kubernetes.io/service-account.uid");
    }
    if let Some(data) = map_mut(secret, "/data") {
        data.remove("token");
        data.remove("ca.crt");
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(name: &str) -> Value {
        json!({"type": "kubernetes.io/service-account-token", "data": {"token": "t", "ca.crt": "c", "namespace": "n", "extra": "e"},
            "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": "web", "kubernetes.io/service-account.uid": "1"}}})
    }

    #[test]
    fn automatic_tokens_are_skipped_and_others_emptied() {
        assert!(reset(&mut token("web-token-abc12")).is_some());
        let mut own = token("my-token");
        assert_eq!(reset(&mut own), None);
        assert_eq!(own["data"], json!({"namespace": "n", "extra": "e"}));
        assert_eq!(own["metadata"]["annotations"], json!({"kubernetes.io/service-account.name": "web"}));
        let mut opaque =
            json!({"type": "Opaque", "data": {"token": "t"}, "metadata": {"name": "web-token-x"}});
        let before = opaque.clone();
        assert_eq!((reset(&mut opaque), opaque), (None, before));
    }
}

//! `velero.io/service-account`: drops the reference to the token secret that old clusters made by themselves.

use serde_json::Value;

use super::{Pure, changed, list_mut, text};

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/service-account",
    resources: &["serviceaccounts"],
    execute: |account, _| Ok(changed(|| drop_token(account))),
};

fn drop_token(account: &mut Value) {
    let prefix = format!("{}-token-", text(account, "/metadata/name"));
    if let Some(secrets) = list_mut(account, "/secrets")
        && let Some(at) = secrets.iter().rposition(|secret| text(secret, "/name").starts_with(&prefix))
    {
        secrets.remove(at);
        if secrets.is_empty()
            && let Some(account) = account.as_object_mut()
        {
            account.remove("secrets");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_token_of_the_account_itself_goes() {
        for (secrets, left) in [
            (
                json!([{"name": "web-token-x"}, {"name": "web-dockercfg"}]),
                json!({"secrets": [{"name": "web-dockercfg"}]}),
            ),
            (json!([{"name": "other-token-x"}]), json!({"secrets": [{"name": "other-token-x"}]})),
            (json!([{"name": "web-token-x"}]), json!({})),
        ] {
            let mut account = json!({"metadata": {"name": "web"}, "secrets": secrets});
            drop_token(&mut account);
            account.as_object_mut().unwrap().remove("metadata");
            assert_eq!(account, left);
        }
    }
}

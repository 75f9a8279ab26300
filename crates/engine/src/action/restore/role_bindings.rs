//! `velero.io/role-bindings`: subjects follow the namespace mapping.

use super::{Pure, changed, map_subjects};

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/role-bindings",
    resources: &["rolebindings"],
    execute: |binding, context| Ok(changed(|| map_subjects(binding, context.restore))),
};

#[cfg(test)]
mod tests {
    use bowline_api::restore::Restore;
    use serde_json::json;

    use super::*;

    #[test]
    fn subjects_of_mapped_namespaces_move() {
        let mut restore = Restore::default();
        restore.spec.namespace_mapping.insert("a".into(), "b".into());
        let mut binding = json!({"subjects": [{"namespace": "a"}, {"namespace": "c"}, {"kind": "User"}]});
        map_subjects(&mut binding, &restore);
        assert_eq!(binding, json!({"subjects": [{"namespace": "b"}, {"namespace": "c"}, {"kind": "User"}]}));
    }
}

//! `velero.io/crd-preserve-fields`: v1 keeps unknown fields by schema and refuses the old switch.

use serde_json::Value;

use super::{Pure, changed, list_mut, text};

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/crd-preserve-fields",
    resources: &["customresourcedefinitions.apiextensions.k8s.io"],
    execute: |crd, _| Ok(changed(|| preserve(crd))),
};

fn preserve(crd: &mut Value) {
    if text(crd, "/apiVersion") != "apiextensions.k8s.io/v1"
        || crd.pointer("/spec/preserveUnknownFields") != Some(&Value::Bool(true))
    {
        return;
    }
    crd["spec"]["preserveUnknownFields"] = false.into();
    for version in list_mut(crd, "/spec/versions").into_iter().flatten() {
        if let Some(schema) =
            version.pointer_mut("/schema/openAPIV3Schema").filter(|schema| schema.is_object())
        {
            schema["x-kubernetes-preserve-unknown-fields"] = true.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_switch_moves_into_the_schemas() {
        let crd = |api: &str| json!({"apiVersion": api, "spec": {"preserveUnknownFields": true, "versions": [{"schema": {"openAPIV3Schema": {}}}, {}]}});
        let mut v1 = crd("apiextensions.k8s.io/v1");
        preserve(&mut v1);
        assert_eq!(
            v1["spec"],
            json!({"preserveUnknownFields": false, "versions": [{"schema": {"openAPIV3Schema": {"x-kubernetes-preserve-unknown-fields": true}}}, {}]})
        );
        let mut beta = crd("apiextensions.k8s.io/v1beta1");
        preserve(&mut beta);
        assert_eq!(beta, crd("apiextensions.k8s.io/v1beta1"));
    }
}

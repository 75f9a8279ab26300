//! `velero.io/apiservice`: API services that the cluster manages itself are left to it.

use serde_json::Value;

use super::super::RestoreEffects;
use super::Pure;

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/apiservice",
    resources: &["apiservices"],
    execute: |service, _| Ok(RestoreEffects { skip: managed(service), ..RestoreEffects::default() }),
};

fn managed(service: &Value) -> Option<String> {
    let label = service.pointer("/metadata/labels/kube-aggregator.kubernetes.io~1automanaged");
    label.is_some().then(|| "the cluster manages this API service itself".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_label_decides() {
        let service =
            json!({"metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}}});
        assert!(managed(&service).is_some());
        assert_eq!(managed(&json!({"metadata": {}})), None);
    }
}

//! `velero.io/admission-webhook-configuration`: v1 refuses the side effects that v1beta1 allowed.

use serde_json::Value;

use super::{Pure, changed, list_mut, text};

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/admission-webhook-configuration",
    resources: &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
    execute: |webhooks, _| Ok(changed(|| reset(webhooks))),
};

fn reset(configuration: &mut Value) {
    if text(configuration, "/apiVersion") != "admissionregistration.k8s.io/v1" {
        return;
    }
    for webhook in list_mut(configuration, "/webhooks").into_iter().flatten() {
        if !matches!(text(webhook, "/sideEffects"), "None" | "NoneOnDryRun") {
            webhook["sideEffects"] = "None".into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_refused_values_change() {
        for (version, before, after) in
            [("v1", "Some", "None"), ("v1", "NoneOnDryRun", "NoneOnDryRun"), ("v1beta1", "Some", "Some")]
        {
            let api_version = format!("admissionregistration.k8s.io/{version}");
            let mut configuration = json!({"apiVersion": api_version, "webhooks": [{"sideEffects": before}]});
            reset(&mut configuration);
            assert_eq!(configuration["webhooks"][0]["sideEffects"], after);
        }
    }
}

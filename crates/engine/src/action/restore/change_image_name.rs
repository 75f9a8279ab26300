//! `velero.io/change-image-name`: replaces parts of image names by the rules of a ConfigMap, each value `OLD,NEW`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::super::{
    Action, ActionError, ActionSelector, Item, RestoreAction, RestoreContext, RestoreEffects,
};
use super::{list_mut, text};

pub(super) const NAME: &str = "velero.io/change-image-name";

/// The action with its rules.
pub(super) struct ChangeImageName {
    rules: Vec<(String, String)>,
}

impl ChangeImageName {
    /// Rules in the order of their keys; values of another shape are no rules, as in Velero.
    pub(super) fn new(config: &BTreeMap<String, String>) -> Self {
        let rule = |value: &String| {
            let (old, new) = value.split_once(',')?;
            let rule = (old.trim().to_owned(), new.trim().to_owned());
            (!rule.0.is_empty() && !new.is_empty()).then_some(rule)
        };
        Self { rules: config.values().filter_map(rule).collect() }
    }

    fn change(&self, object: &mut Value) {
        let spec = match text(object, "/kind") {
            "Pod" => "/spec",
            "CronJob" => "/spec/jobTemplate/spec/template/spec",
            _ => "/spec/template/spec",
        };
        for field in ["containers", "initContainers"] {
            for container in list_mut(object, &format!("{spec}/{field}")).into_iter().flatten() {
                let image = text(container, "/image");
                if let Some((old, new)) = self.rules.iter().find(|(old, _)| image.contains(old.as_str())) {
                    container["image"] = image.replace(old.as_str(), new).into();
                }
            }
        }
    }
}

#[async_trait]
impl Action for ChangeImageName {
    fn name(&self) -> &str {
        NAME
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&[
            "deployments",
            "statefulsets",
            "daemonsets",
            "replicasets",
            "replicationcontrollers",
            "jobs",
            "cronjobs",
            "pods",
        ]))
    }
}

#[async_trait]
impl RestoreAction for ChangeImageName {
    async fn execute(&self, item: &mut Item, _: &RestoreContext<'_>) -> Result<RestoreEffects, ActionError> {
        self.change(item.tree_mut()?);
        Ok(RestoreEffects::default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_that_fits_changes_each_image() {
        let config = [("case1", "1.1.1.1:5000, 2.2.2.2:3000"), ("case2", "no-comma"), ("case3", "abc:test,")];
        let action = ChangeImageName::new(&config.map(|(key, value)| (key.into(), value.into())).into());
        let containers = json!({"containers": [{"image": "1.1.1.1:5000/abc:test"}], "initContainers": [{"image": "other"}]});
        let expected = json!({"containers": [{"image": "2.2.2.2:3000/abc:test"}], "initContainers": [{"image": "other"}]});
        for (kind, pointer) in [
            ("Pod", "/spec"),
            ("Deployment", "/spec/template/spec"),
            ("CronJob", "/spec/jobTemplate/spec/template/spec"),
        ] {
            let mut object =
                json!({"kind": kind, "spec": {"template": {}, "jobTemplate": {"spec": {"template": {}}}}});
            match kind {
                "Pod" => object["spec"] = containers.clone(),
                "Deployment" => object["spec"]["template"]["spec"] = containers.clone(),
                _ => object["spec"]["jobTemplate"]["spec"]["template"]["spec"] = containers.clone(),
            }
            action.change(&mut object);
            assert_eq!(object.pointer(pointer), Some(&expected), "{kind}");
        }
    }
}

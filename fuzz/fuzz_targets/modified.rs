//! A Deployment after one rule of resource modifiers. What comes out has a kind and metadata, whatever the rule is.

use std::collections::BTreeMap;

use bowline_engine::catalog::GroupResource;
use bowline_engine::modify::Modifiers;
use serde_json::{Value, json};

pub fn by(patches: &Value) {
    let mut rule = json!({"conditions": {"groupResource": "**"}});
    if let (Some(rule), Some(patches)) = (rule.as_object_mut(), patches.as_object()) {
        rule.extend(patches.clone());
    }
    let text = json!({"version": "v1", "resourceModifierRules": [rule]}).to_string();
    let Ok(modifiers) = Modifiers::parse(&BTreeMap::from([("rules".to_owned(), text)])) else { return };
    let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "finalizers": ["a", "b"]},
        "spec": {"replicas": 1, "template": {"spec": {
            "containers": [{"name": "main", "image": "x:1", "ports": [{"containerPort": 80}]}, {"name": "side"}],
            "volumes": [{"name": "v", "emptyDir": {}}]}}}});
    let before = object.clone();
    let outcome = modifiers.apply(&mut object, &GroupResource::new("apps", "deployments"));
    assert!(object["kind"].is_string() && object["metadata"].is_object(), "{object}");
    assert!(outcome.errors.is_empty() || object == before, "a rule that failed has changed the object: {object}");
}

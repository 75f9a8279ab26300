//! Resource modifiers, as the YAML of a ConfigMap, and what they do to an object.
#![no_main]

use std::collections::BTreeMap;

use bowline_engine::catalog::GroupResource;
use bowline_engine::modify::Modifiers;
use serde_json::json;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let data = BTreeMap::from([("rules".to_owned(), text.to_owned())]);
    if let Ok(modifiers) = Modifiers::parse(&data) {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "main", "image": "x:1"}]}}}});
        modifiers.apply(&mut object, &GroupResource::new("apps", "deployments"));
    }
});

//! A restore of a namespace that was lost.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Scenario, attempts, make_backup};
use crate::world::{World, application};

pub(super) struct RestoreBackup;

#[async_trait]
impl Scenario for RestoreBackup {
    fn name(&self) -> &'static str {
        "restore"
    }

    async fn prepare(&self, world: &World) {
        make_backup(world, "b").await;
        for key in world.cluster.keys() {
            let Some((resource, path)) = key.split_once(' ') else { continue };
            match path.split_once('/') {
                Some(("shop", name)) => world.cluster.remove(resource, "shop", name),
                None if key == "namespaces shop" => world.cluster.remove(resource, "", "shop"),
                _ => {}
            }
        }
    }

    fn request(&self, world: &World) {
        world.create("Restore", "restores", "r", &json!({"backupName": "b"}));
    }

    fn ended(&self, world: &World) -> bool {
        !matches!(world.phase("restores", "r").as_str(), "" | "New" | "InProgress")
    }

    async fn check(&self, world: &World, kills: usize) {
        let restore = world.object("restores", "r").expect("the Restore is still there");
        assert_eq!(restore["status"]["phase"], "Completed", "{restore:#}");
        assert!((1..=1 + kills).contains(&attempts(world, "restores", "r")), "{restore:#}");
        for object in application().iter().filter(|object| object["kind"] != "Namespace") {
            let name = object["metadata"]["name"].as_str().expect("a name");
            let resource = format!("{}s", object["kind"].as_str().expect("a kind").to_lowercase());
            let restored = world.cluster.object(&resource, "shop", name);
            let restored = restored.unwrap_or_else(|| panic!("{resource} {name} is lost"));
            assert_eq!(restored["data"], object["data"], "{name}");
            assert_eq!(restored["metadata"]["labels"]["velero.io/restore-name"], "r", "{restored:#}");
        }
        let results = world.store().restore_results("r").await.expect("it has results");
        let results = serde_json::to_value(results).expect("results are JSON");
        assert_eq!(found(&results["errors"]), 0, "{results:#}");
        assert_eq!(found(&results["warnings"]), 0, "{results:#}");
    }
}

/// Texts anywhere in a value.
fn found(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(found).sum(),
        Value::Object(fields) => fields.values().map(found).sum(),
        _ => 0,
    }
}

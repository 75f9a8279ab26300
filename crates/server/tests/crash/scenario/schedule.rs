//! A schedule is due once, and its backup is made once.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::Scenario;
use crate::world::World;

pub(super) struct MakeScheduled;

#[async_trait]
impl Scenario for MakeScheduled {
    fn name(&self) -> &'static str {
        "schedule"
    }

    async fn prepare(&self, world: &World) {
        let template = json!({"includedNamespaces": ["shop"]});
        world.create("Schedule", "schedules", "s", &json!({"schedule": "5 * * * *", "template": template}));
    }

    fn request(&self, _world: &World) {}

    fn ended(&self, world: &World) -> bool {
        let backups = world.cluster.objects("backups.velero.io");
        backups.iter().any(|backup| backup["status"]["phase"] == "Completed")
    }

    async fn check(&self, world: &World, _kills: usize) {
        let backups = world.cluster.objects("backups.velero.io");
        assert_eq!(backups.len(), 1, "one time makes one backup\n{}", world.describe());
        assert_eq!(backups[0]["metadata"]["labels"]["velero.io/schedule-name"], "s");
        let schedule = world.object("schedules", "s").expect("it is still there");
        assert_eq!(schedule["status"]["phase"], "Enabled");
        assert!(!schedule["status"]["lastBackup"].is_null(), "{schedule:#}");
    }

    fn settles(&self) -> Option<Duration> {
        Some(Duration::from_mins(20))
    }
}

//! What actions ask for: other objects first, waiting, operations, leaving an object out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bowline_engine::action::{
    ActionError, ActionSelector, Item, ItemId, RestoreAction, RestoreContext, RestoreEffects,
};
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, RestoreOutcome, RestoreRequest};
use bowline_testing::MemoryCluster;
use bowline_testing::object::{config_map, object};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::harness::{lines, request, restore_with, spool_of};

type Behaviour = fn(&mut Value, &str) -> RestoreEffects;

/// An action on ConfigMaps that does what a test says, and is ready at the third question.
struct Scripted(Behaviour, AtomicUsize);

#[async_trait]
impl RestoreAction for Scripted {
    fn name(&self) -> &'static str {
        "test.io/scripted"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["configmaps"]))
    }

    async fn execute(&self, item: &mut Item, _: &RestoreContext<'_>) -> Result<RestoreEffects, ActionError> {
        let name = item.head().name.clone();
        Ok((self.0)(item.tree_mut()?, &name))
    }

    async fn additional_items_ready(
        &self,
        _: &[ItemId],
        _: &RestoreContext<'_>,
    ) -> Result<bool, ActionError> {
        Ok(self.1.fetch_add(1, Ordering::Relaxed) >= 2)
    }
}

fn needs(resource: &str, name: &str) -> RestoreEffects {
    let item = ItemId { resource: resource.into(), namespace: Some("shop".into()), name: name.into() };
    RestoreEffects { additional_items: vec![item], ..RestoreEffects::default() }
}

async fn run(behaviour: Behaviour, objects: &[(&str, Value)]) -> RestoreOutcome {
    let cluster = Arc::new(MemoryCluster::default());
    let ports = bowline_testing::ports(&cluster);
    let restore = restore_with(|spec| spec.excluded_resources = vec!["secrets".into()]);
    let action: Arc<dyn RestoreAction> = Arc::new(Scripted(behaviour, AtomicUsize::new(0)));
    let request = RestoreRequest { actions: vec![action], ..request(restore, &ports).await };
    let spool = spool_of(objects).await;
    restore::run(&request, &spool, &ports, &Progress::default(), &CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn objects_that_need_each_other_are_restored_once_each() {
    let outcome = run(
        |_, name| needs("configmaps", if name == "a" { "b" } else { "a" }),
        &[("configmaps", config_map("shop", "a")), ("configmaps", config_map("shop", "b"))],
    )
    .await;
    assert_eq!(
        lines(&outcome.resource_list),
        ["v1/ConfigMap shop/a(created)", "v1/ConfigMap shop/b(created)", "v1/Namespace shop(created)"]
    );
}

#[tokio::test]
async fn needed_objects_pass_the_filters_only_when_the_action_says_so() {
    let objects = [("configmaps", config_map("shop", "a")), ("secrets", object("v1", "Secret", "shop", "s"))];
    let filtered = run(|_, _| needs("secrets", "s"), &objects).await;
    assert!(!lines(&filtered.resource_list).contains(&"v1/Secret shop/s(created)".to_owned()));
    let forced = run(
        |item, _| {
            item["metadata"]["annotations"]["restore.velero.io/must-include-additional-items"] =
                "true".into();
            needs("secrets", "s")
        },
        &objects,
    )
    .await;
    assert!(lines(&forced.resource_list).contains(&"v1/Secret shop/s(created)".to_owned()));
}

#[tokio::test]
async fn a_needed_object_that_is_not_in_the_backup_is_a_warning() {
    let outcome =
        run(|_, _| needs("configmaps", "missing"), &[("configmaps", config_map("shop", "a"))]).await;
    assert_eq!(outcome.findings.list()[0].message, "configmaps missing is needed but is not in the backup");
}

#[tokio::test]
async fn readiness_is_asked_for_until_it_comes() {
    let outcome = run(
        |_, _| RestoreEffects { wait_for_additional_items: Some(None), ..needs("configmaps", "b") },
        &[("configmaps", config_map("shop", "a")), ("configmaps", config_map("shop", "b"))],
    )
    .await;
    assert_eq!(outcome.findings.list(), []);
}

#[tokio::test]
async fn skipped_objects_and_operations_are_recorded() {
    let outcome = run(
        |_, name| match name {
            "a" => RestoreEffects { skip: Some("not today".into()), ..RestoreEffects::default() },
            _ => RestoreEffects { operation_id: Some("op-1".into()), ..RestoreEffects::default() },
        },
        &[("configmaps", config_map("shop", "a")), ("configmaps", config_map("shop", "b"))],
    )
    .await;
    assert!(lines(&outcome.resource_list).contains(&"v1/ConfigMap shop/a(skipped)".to_owned()));
    let spec = &outcome.operations[0].spec;
    assert_eq!((spec.operation_id.as_str(), spec.restore_item_action.as_str()), ("op-1", "test.io/scripted"));
    assert_eq!((spec.resource_identifier.name.as_str(), spec.restore_uid.as_str()), ("b", "restore-uid"));
}

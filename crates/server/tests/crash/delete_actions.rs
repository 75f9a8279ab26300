//! Delete item actions: they see the objects of a backup before its files go, and nothing that they do holds a deletion up for ever.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bowline_engine::action::{Action, ActionError, ActionSelector, DeleteAction, DeleteContext};
use bowline_engine::object::Object;
use bowline_store::ErrorKind;
use bowline_testing::{Bucket, Process};
use serde_json::json;

use crate::reports::{refuse, story};
use crate::scenario::make_backup;
use crate::world::{Server, VELERO, World};

/// Notes what it sees, and fails for the objects of this name.
struct Notes {
    selector: ActionSelector,
    fails_for: &'static str,
    takes: Duration,
    bucket: Bucket,
    seen: Mutex<Vec<String>>,
}

impl Notes {
    fn of(world: &World, selector: ActionSelector) -> Self {
        let bucket = world.bucket.clone();
        Self { selector, fails_for: "", takes: Duration::ZERO, bucket, seen: Mutex::default() }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Action for Notes {
    fn name(&self) -> &'static str {
        "example.io/notes"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(self.selector.clone())
    }
}

#[async_trait]
impl DeleteAction for Notes {
    async fn execute(&self, item: &Object, context: &DeleteContext<'_>) -> Result<(), ActionError> {
        let keys = self.bucket.keys().await;
        assert!(keys.contains(&"backups/b/velero-backup.json".to_owned()), "the files went first: {keys:?}");
        assert_eq!(context.backup.metadata.name.as_deref(), Some("b"));
        self.seen.lock().unwrap().push(format!("{} {}", item.head().kind, item.head().key()));
        tokio::time::sleep(self.takes).await;
        let fails = item.head().name == self.fails_for;
        if fails { Err(ActionError::Failed("the snapshot is in use".into())) } else { Ok(()) }
    }
}

fn start(world: &World, action: &Arc<Notes>) -> Server {
    let action: Arc<dyn DeleteAction> = Arc::clone(action) as _;
    world.start_with(Process::default(), |config| config.engine.rules.plugins.delete = vec![action])
}

fn request(world: &World) {
    world.create("DeleteBackupRequest", "deletebackuprequests", "d", &json!({"backupName": "b"}));
}

async fn deleted(world: &World) {
    world.until("it is deleted", |world| world.object("backups", "b").is_none()).await;
    assert_eq!(world.bucket.keys().await, [""; 0]);
}

#[test]
fn delete_item_actions_see_the_objects_that_they_select_before_the_files_go() {
    let labelled = ActionSelector { label_selector: "app=none".into(), ..ActionSelector::resources(&["cm"]) };
    let elsewhere =
        ActionSelector { included_namespaces: vec!["other".into()], ..ActionSelector::resources(&["cm"]) };
    for (selector, expected) in [
        (ActionSelector::resources(&["configmaps"]), vec!["ConfigMap shop/colours", "ConfigMap shop/sizes"]),
        (ActionSelector::resources(&["pods", "namespaces"]), vec!["Namespace shop", "Pod shop/db"]),
        (labelled, vec![]),
        (elsewhere, vec![]),
    ] {
        story(async |world| {
            make_backup(&world, "b").await;
            let action = Arc::new(Notes::of(&world, selector));
            let _server = start(&world, &action);
            request(&world);
            deleted(&world).await;
            assert_eq!(action.seen(), expected);
        });
    }
}

#[test]
fn a_delete_item_action_that_fails_is_told_of_and_the_deletion_goes_on() {
    story(async |world| {
        make_backup(&world, "b").await;
        let selector = ActionSelector::resources(&["configmaps"]);
        let action = Arc::new(Notes { fails_for: "colours", ..Notes::of(&world, selector) });
        let _server = start(&world, &action);
        request(&world);
        deleted(&world).await;
        assert_eq!(action.seen().len(), 2, "the others have no turn");
        let events = world.cluster.objects("events.events.k8s.io");
        let told = events.iter().find(|event| event["reason"] == "DeleteItemActionFailed").expect("an Event");
        let note = told["note"].as_str().unwrap();
        for part in ["example.io/notes", "shop/colours", "the snapshot is in use"] {
            assert!(note.contains(part), "{note}");
        }
    });
}

#[test]
fn a_backup_without_an_archive_is_deleted_without_its_actions() {
    story(async |world| {
        make_backup(&world, "b").await;
        bowline_store::ObjectStore::delete(world.bucket.store(), "backups/b/b.tar.gz").await.unwrap();
        let action = Arc::new(Notes::of(&world, ActionSelector::default()));
        let _server = start(&world, &action);
        request(&world);
        deleted(&world).await;
        assert_eq!(action.seen(), [""; 0]);
    });
}

#[test]
fn an_archive_that_can_t_be_read_for_now_keeps_the_backup_because_its_actions_have_not_run() {
    story(async |world| {
        make_backup(&world, "b").await;
        let action = Arc::new(Notes::of(&world, ActionSelector::resources(&["pods"])));
        let _server = start(&world, &action);
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.bucket.faults().before(refuse("get", "b.tar.gz", ErrorKind::Timeout));
        request(&world);
        world.until("it is answered", |world| world.phase("deletebackuprequests", "d") == "Processed").await;
        let errors = world.object("deletebackuprequests", "d").unwrap()["status"]["errors"].to_string();
        assert!(errors.contains("delete item actions"), "{errors}");
        world.bucket.faults().clear();
        world.cluster.remove("deletebackuprequests.velero.io", VELERO, "d");
        request(&world);
        deleted(&world).await;
        assert_eq!(action.seen(), ["Pod shop/db"]);
    });
}

#[test]
fn delete_item_actions_that_a_stop_cuts_short_run_again_on_the_next_server() {
    story(async |world| {
        make_backup(&world, "b").await;
        let selector = ActionSelector::resources(&["configmaps"]);
        let slow = Arc::new(Notes { takes: Duration::from_mins(1), ..Notes::of(&world, selector.clone()) });
        let first = start(&world, &slow);
        request(&world);
        world.until("they run", |_| !slow.seen().is_empty()).await;
        first.stop().await;
        assert_eq!(world.phase("deletebackuprequests", "d"), "InProgress");
        let action = Arc::new(Notes::of(&world, selector));
        let _next = start(&world, &action);
        deleted(&world).await;
        assert_eq!(action.seen().len(), 2);
    });
}

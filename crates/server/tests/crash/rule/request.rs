use bowline_testing::Process;
use serde_json::{Value, json};

use super::{phase, seconds};
use crate::reports::story;
use crate::scenario::make_backup;
use crate::world::World;

fn ask(world: &World, name: &str, kind: &str, of: &str) {
    world.create("DownloadRequest", "downloadrequests", name, &json!({"target": {"kind": kind, "name": of}}));
}

fn get(world: &World, name: &str) -> Value {
    world.object("downloadrequests", name).expect("it is there")
}

#[test]
fn a_download_request_is_answered_with_a_url_for_ten_minutes_and_deleted_then() {
    story(async |world| {
        make_backup(&world, "b").await;
        let _server = world.start(Process::default());
        ask(&world, "d", "BackupLog", "b");
        phase(&world, "downloadrequests", "d", "Processed").await;
        let answered = get(&world, "d");
        assert!(
            answered["status"]["downloadURL"].as_str().is_some_and(|url| url.starts_with("http")),
            "{answered:#}"
        );
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        let lives =
            time(&answered["status"]["expiration"]) - time(&answered["metadata"]["creationTimestamp"]);
        assert!((600..=605).contains(&lives), "{lives} s");
        seconds(590).await;
        assert!(world.object("downloadrequests", "d").is_some());
        seconds(30).await;
        assert!(world.object("downloadrequests", "d").is_none());
    });
}

#[test]
fn every_file_of_a_backup_and_restore_can_be_asked_for() {
    story(async |world| {
        make_backup(&world, "b").await;
        let _server = world.start(Process::default());
        super::restored(&world).await;
        let of_backup = [
            "BackupLog",
            "BackupContents",
            "BackupVolumeSnapshots",
            "BackupItemOperations",
            "BackupResourceList",
            "BackupResults",
            "BackupVolumeInfos",
        ];
        let of_restore = [
            "RestoreLog",
            "RestoreResults",
            "RestoreResourceList",
            "RestoreItemOperations",
            "RestoreVolumeInfo",
        ];
        let all = of_backup.map(|kind| (kind, "b")).into_iter().chain(of_restore.map(|kind| (kind, "r")));
        for (kind, of) in all {
            let name = kind.to_lowercase();
            ask(&world, &name, kind, of);
            phase(&world, "downloadrequests", &name, "Processed").await;
            assert!(
                get(&world, &name)["status"]["downloadURL"].is_string(),
                "{kind}: {:#}",
                get(&world, &name)
            );
        }
    });
}

#[test]
fn what_can_t_be_had_is_told_on_the_request() {
    story(async |world| {
        let _server = world.start(Process::default());
        ask(&world, "d", "BackupLog", "there-is-none");
        phase(&world, "downloadrequests", "d", "Processed").await;
        let answered = get(&world, "d");
        assert_eq!(answered["status"]["downloadURL"].as_str().unwrap_or_default(), "");
        assert!(answered["metadata"]["annotations"].to_string().contains("there-is-none"), "{answered:#}");
    });
}

#[test]
fn a_status_request_is_answered_with_version_and_plugins_and_deleted_after_a_minute() {
    story(async |world| {
        let _server = world.start(Process::default());
        world.create("ServerStatusRequest", "serverstatusrequests", "s", &json!({}));
        phase(&world, "serverstatusrequests", "s", "Processed").await;
        let answered = world.object("serverstatusrequests", "s").unwrap();
        assert_eq!(answered["status"]["serverVersion"], bowline_server::VERSION);
        assert!(answered["status"]["processedTimestamp"].is_string());
        let plugins = answered["status"]["plugins"].as_array().unwrap();
        for (name, kind) in [
            ("velero.io/aws", "ObjectStore"),
            ("velero.io/pod", "BackupItemAction"),
            ("velero.io/service", "RestoreItemAction"),
        ] {
            assert!(plugins.contains(&json!({"name": name, "kind": kind})), "{name}: {plugins:?}");
        }
        seconds(50).await;
        assert!(world.object("serverstatusrequests", "s").is_some());
        seconds(20).await;
        assert!(world.object("serverstatusrequests", "s").is_none());
    });
}

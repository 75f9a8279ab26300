//! Descriptions and tables against what Velero 1.18.2 printed for the same objects.

use bowline_api::artifact::{ResourceList, Results};
use bowline_api::{Backup, BackupStorageLocation, Restore, Schedule};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{backup, restore, schedule, structured};
use crate::cli::global::GlobalFlags;
use crate::config::{ClientFile, Environment};
use crate::download::Artifact;
use crate::output::table::{Extra, Listed, render};
use crate::output::time::{Now, tests::at};
use crate::session::Session;

macro_rules! velero {
    ($name:literal) => {
        include_str!(concat!("../../../testdata/velero/", $name))
    };
}

fn session() -> Session {
    let environment = Environment { program: "velero", ..Environment::default() };
    Session::new(environment, GlobalFlags::default(), &ClientFile::default())
}

fn now() -> Now {
    at("2026-11-21T06:46:20Z")
}

fn from_yaml<T: DeserializeOwned>(text: &str) -> T {
    let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    serde_json::from_value(value).unwrap()
}

fn nothing() -> backup::Companions {
    backup::Companions {
        results: Artifact::Absent,
        resource_list: Artifact::Absent,
        volumes: Artifact::Absent,
        operations: Artifact::Absent,
        deletions: Vec::new(),
    }
}

/// Lines without blanks at their ends, which Velero prints and nobody sees.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

#[test]
fn a_completed_backup_is_described_as_velero_does() {
    let demo: Backup = from_yaml(velero!("backup-get.yaml"));
    let text = backup::render(&session(), &demo, &nothing(), false, &now());
    assert_eq!(lines(&text), lines(velero!("backup-describe.txt")));
}

/// The list of resources in a recorded description.
fn resource_list(description: &str) -> ResourceList {
    let mut list = serde_json::Map::new();
    let mut kind = "";
    let lines = description.lines().skip_while(|line| *line != "Resource List:").skip(1);
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(item) = line.strip_prefix("    - ") {
            list[kind].as_array_mut().unwrap().push(item.into());
        } else {
            kind = line.trim().trim_end_matches(':');
            list.insert(kind.to_owned(), json!([]));
        }
    }
    serde_json::from_value(list.into()).unwrap()
}

#[test]
fn details_add_the_list_of_resources() {
    let demo: Backup = from_yaml(velero!("backup-get.yaml"));
    let expected = velero!("backup-describe-details.txt");
    let list = resource_list(expected);
    let companions = backup::Companions { resource_list: Artifact::Here(list), ..nothing() };
    let text = backup::render(&session(), &demo, &companions, true, &now());
    assert_eq!(lines(&text), lines(expected));
}

#[test]
fn json_has_everything_that_veleros_has() {
    let demo: Backup = from_yaml(velero!("backup-get.yaml"));
    let ours = structured::indented(&backup::tree_at(&demo, &nothing(), false, &now())).unwrap();
    let ours: serde_json::Value = serde_json::from_str(&ours).unwrap();
    let velero: serde_json::Value = serde_json::from_str(velero!("backup-describe-json.txt")).unwrap();
    for section in ["metadata", "phase", "status"] {
        assert_eq!(ours[section], velero[section], "{section}");
    }
    for (key, value) in velero["spec"].as_object().unwrap().iter().filter(|(key, _)| *key != "resources") {
        assert_eq!(ours["spec"][key], *value, "{key}");
    }
    for (key, value) in velero["spec"]["resources"].as_object().unwrap() {
        assert_eq!(ours["spec"]["resources"][key], *value, "{key}");
    }
}

#[test]
fn what_was_taken_up_again_is_said_in_words_and_one_attempt_not_at_all() {
    let mut demo: Backup = from_yaml(velero!("backup-get.yaml"));
    let mut describe = |attempts: serde_json::Value| {
        let annotations = demo.metadata.annotations.get_or_insert_default();
        annotations.insert(bowline_server::ATTEMPTS_ANNOTATION.to_owned(), attempts.to_string());
        backup::render(&session(), &demo, &nothing(), false, &now())
    };
    let first = json!({ "server": "velero-a", "began": "2026-11-21T06:46:11Z" });
    let text = describe(json!([first]));
    assert_eq!(lines(&text), lines(velero!("backup-describe.txt")));
    let lost = json!({ "server": "velero-a", "began": "2026-11-21T06:46:11Z", "ended": "its server ended" });
    let text = describe(json!([lost, { "server": "velero-b", "began": "2026-11-21T06:47:00Z" }]));
    let told = "Attempts:\n  2026-11-21 06:46:11 +0000 UTC on velero-a: its server ended\n  2026-11-21 06:47:00 +0000 UTC on velero-b: taken up again\n";
    assert!(text.contains(told), "{text}");
}

fn schedule_of(expression: &str, namespaces: &[&str], status: &serde_json::Value, name: &str) -> Schedule {
    serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "velero", "creationTimestamp": "2026-11-21T06:46:16Z" },
        "spec": { "schedule": expression, "template": { "includedNamespaces": namespaces } },
        "status": status,
    }))
    .unwrap()
}

fn schedules() -> [Schedule; 2] {
    let invalid = json!({
        "phase": "FailedValidation",
        "validationErrors": ["invalid schedule: end of range (25) above maximum (23): 25"],
    });
    [
        schedule_of("0 1 * * *", &["shop"], &json!({ "phase": "Enabled" }), "daily"),
        schedule_of("0 25 * * *", &[], &invalid, "bad"),
    ]
}

#[test]
fn schedules_are_described_as_velero_does() {
    let [daily, bad] = schedules();
    let text = schedule::render(&session(), &daily, &now());
    assert_eq!(lines(&text), lines(velero!("schedule-describe.txt")));
    let text = schedule::render(&session(), &bad, &now());
    let (place, ours): (Vec<_>, Vec<_>) =
        lines(&text).into_iter().partition(|line| line.starts_with("Where:"));
    assert_eq!(ours, lines(velero!("schedule-describe-bad.txt")));
    // Velero does not say which field it is.
    assert_eq!(place, ["Where:              field 2 of 5, the hour: \"25\""]);
}

fn table<K: Listed>(objects: &[K], extra: &Extra) -> String {
    render(&objects.iter().collect::<Vec<_>>(), extra, &now())
}

fn backups() -> Vec<Backup> {
    let backup = |name: &str, phase: &str, errors: i32, started: &str, labels: serde_json::Value| {
        let expiration = started.replace("-11-", "-12-");
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": labels },
            "spec": { "storageLocation": "default" },
            "status": { "phase": phase, "errors": errors, "startTimestamp": started, "expiration": expiration },
        }))
        .unwrap()
    };
    let own = json!({ "velero.io/storage-location": "default" });
    let scheduled = json!({ "velero.io/storage-location": "default", "velero.io/schedule-name": "daily" });
    vec![
        backup("partial", "Completed", 0, "2026-11-21T06:46:12Z", own.clone()),
        backup("demo", "Completed", 0, "2026-11-21T06:46:11Z", own),
        backup("daily-20261121055231", "PartiallyFailed", 3, "2026-11-21T05:52:31Z", scheduled),
    ]
}

#[test]
fn tables_are_those_of_velero_to_the_blank() {
    assert_eq!(table(&backups(), &Extra::default()), velero!("backup-get.txt"));
    let labels = Extra { labels: true, ..Extra::default() };
    assert_eq!(table(&backups(), &labels), velero!("backup-get-labels.txt"));
    assert_eq!(table(&schedules(), &Extra::default()), velero!("schedule-get.txt"));
    let location: BackupStorageLocation = from_yaml(velero!("bsl-get.yaml"));
    assert_eq!(lines(&table(&[location], &Extra::default())), lines(velero!("bsl-get.txt")));
    assert_eq!(table(&[restored()], &Extra::default()), velero!("restore-get.txt"));
    assert_eq!(table::<Backup>(&[], &Extra::default()), "");
}

#[test]
fn label_columns_and_wide_ones_come_last() {
    let extra =
        Extra { wide: true, labels: false, label_columns: vec!["velero.io/schedule-name".to_owned()] };
    insta::assert_snapshot!(table(&backups(), &extra));
}

fn restored() -> Restore {
    serde_json::from_value(json!({
        "metadata": { "name": "demo-copy", "namespace": "velero", "creationTimestamp": "2026-11-21T06:46:12Z" },
        "spec": {
            "backupName": "demo", "includedNamespaces": ["*"], "excludedResources": ["nodes", "events"],
            "namespaceMapping": { "shop": "shop2", "tools": "tools2" }, "itemOperationTimeout": "4h0m0s",
        },
        "status": {
            "phase": "PartiallyFailed", "errors": 1, "warnings": 4, "startTimestamp": "2026-11-21T06:46:12Z",
            "completionTimestamp": "2026-11-21T06:46:13Z", "hookStatus": {},
            "progress": { "totalItems": 44, "itemsRestored": 44 },
        },
    }))
    .unwrap()
}

#[test]
fn a_restore_is_told_to_programs_as_a_backup_is() {
    let results = json!({"errors": {"namespaces": {"shop2": ["no"]}}, "warnings": {}});
    let list = json!({"v1/Service": ["shop2/web(failed)"]});
    let companions = restore::Companions {
        results: Artifact::Here(serde_json::from_value(results.clone()).unwrap()),
        resource_list: Artifact::Here(serde_json::from_value(list.clone()).unwrap()),
        volumes: Artifact::Here(Vec::new()),
        operations: Artifact::Absent,
    };
    let tree = structured::restore(&restored(), &companions, true, &now());
    assert_eq!(tree["metadata"], json!({"name": "demo-copy", "namespace": "velero"}));
    assert_eq!((&tree["phase"], &tree["spec"]["backup"]), (&json!("PartiallyFailed"), &json!("demo")));
    assert_eq!(tree["spec"]["namespaceMappings"], json!({"shop": "shop2", "tools": "tools2"}));
    assert_eq!(tree["spec"]["resources"]["excluded"], "nodes, events");
    assert_eq!((&tree["errors"], tree.get("warnings")), (&results["errors"], None));
    assert_eq!((&tree["status"]["itemsRestored"], &tree["status"]["resourceList"]), (&json!(44), &list));
    let brief = structured::restore(&restored(), &companions, false, &now());
    assert_eq!(brief["status"].get("resourceList"), None);
    let files = structured::files("demo-copy", &companions, true);
    assert_eq!((&files["errors"], &files["status"]["resourceList"]), (&results["errors"], &list));
}

#[test]
fn a_restore_is_described_with_every_line_of_velero() {
    let expected = velero!("restore-describe-details.txt");
    let results: Results = serde_json::from_value(json!({
        "warnings": {
            "cluster": [
                "could not restore, CustomResourceDefinition:widgets.fixture.example.io already exists. Warning: the in-cluster \
                 version is different than the backed-up version",
                "could not restore, ClusterRoleBinding:fixture:reader already exists. Warning: the in-cluster version is \
                 different than the backed-up version",
            ],
            "namespaces": {
                "shop2": ["could not restore, ConfigMap:kube-root-ca.crt already exists. Warning: the in-cluster version is \
                           different than the backed-up version"],
                "tools2": ["could not restore, ConfigMap:kube-root-ca.crt already exists. Warning: the in-cluster version is \
                            different than the backed-up version"],
            },
        },
        "errors": { "namespaces": { "shop2": [
            "error restoring services/shop2/web-np: Service \"web-np\" is invalid: spec.ports[0].nodePort: Invalid value: \
             30080: provided port is already allocated",
        ] } },
    }))
    .unwrap();
    let mut restore = restored();
    let excluded = expected.lines().find_map(|line| line.strip_prefix("  Excluded:        nodes")).unwrap();
    restore.spec.excluded_resources =
        std::iter::once("nodes").chain(excluded.split(", ").skip(1)).map(str::to_owned).collect();
    let companions = restore::Companions {
        results: Artifact::Here(results),
        resource_list: Artifact::Here(resource_list(expected)),
        volumes: Artifact::Here(Vec::new()),
        operations: Artifact::Absent,
    };
    let text = restore::render(&session(), &restore, &companions, true, &now());
    // The widths differ, as our sections stand in another order: what failed comes first.
    let words = |text: &str| {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect::<Vec<_>>()
    };
    let ours = words(&text);
    let missing: Vec<String> = words(expected).into_iter().filter(|line| !ours.contains(line)).collect();
    // An uploader's settings that say nothing are left out.
    assert_eq!(missing, ["Uploader config:"], "{text}");
}

#[test]
fn a_partially_failed_restore_says_first_what_failed_and_what_may_help() {
    let results: Results = serde_json::from_value(json!({
        "errors": { "namespaces": { "shop2": [
            "error restoring services/shop2/web-np: Service \"web-np\" is invalid: spec.ports[0].nodePort: Invalid value: \
             30080: provided port is already allocated",
        ] } },
        "warnings": {
            "cluster": ["could not restore, ClusterRoleBinding:fixture:reader already exists. Warning: the in-cluster \
                         version is different than the backed-up version"],
            "namespaces": { "shop2": ["could not restore, ConfigMap:kube-root-ca.crt already exists."] },
        },
    }))
    .unwrap();
    let list =
        serde_json::from_value(json!({ "v1/Service": ["shop2/web(created)", "shop2/web-np(failed)"] }))
            .unwrap();
    let companions = restore::Companions {
        results: Artifact::Here(results),
        resource_list: Artifact::Here(list),
        volumes: Artifact::Here(Vec::new()),
        operations: Artifact::Absent,
    };
    let text = restore::render(&session(), &restored(), &companions, true, &now());
    insta::assert_snapshot!(text);
    let titles =
        |text: &str| text.lines().filter(|line| line.ends_with(':')).map(str::to_owned).collect::<Vec<_>>();
    let ours = titles(&text);
    let expected = ["Namespaces:", "Resources:", "Resource List:"];
    assert!(expected.iter().all(|title| ours.iter().any(|line| line == title)), "{ours:?}");
}

#[test]
fn a_partially_failed_backup_says_first_what_failed() {
    let mut demo: Backup = from_yaml(velero!("backup-get.yaml"));
    demo.status.phase = Some(bowline_api::BackupPhase::PartiallyFailed);
    demo.status.errors = 2;
    let results: Results = serde_json::from_value(json!({
        "errors": {
            "velero": [" name: /app message: /Error backing up item error: /no matches for kind \"App\""],
            "namespaces": { "shop": [" resource: /pods name: /web message: /hook failed error: /timed out"] },
        },
        "warnings": {},
    }))
    .unwrap();
    let companions = backup::Companions { results: Artifact::Here(results), ..nothing() };
    let text = backup::render(&session(), &demo, &companions, false, &now());
    let top: Vec<&str> = text.lines().take_while(|line| *line != "Resources:").collect();
    insta::assert_snapshot!(top.join("\n"));
}

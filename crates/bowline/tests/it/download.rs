//! Files of a backup where the bucket can't be reached from here.

use std::io::Write;

use bowline_server::DOWNLOAD_PATH_ANNOTATION;
use serde_json::{Value, json};

use crate::Run;
use crate::fake::Answers;

const OBJECTS: &str = "/apis/velero.io/v1/namespaces/velero";
const PODS: &str = "/api/v1/namespaces/velero/pods";
const LOG: &str = "time=\"2026-11-21T06:46:12Z\" level=info msg=\"Backed up 3 items\" backup=velero/web\n";

/// A cluster with one backup, whose files are in a bucket that does not answer.
fn cluster(annotations: &Value) -> Answers {
    let backup = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": { "name": "web", "namespace": "velero" },
        "spec": { "storageLocation": "default" }, "status": { "phase": "Completed" },
    });
    let request = json!({
        "apiVersion": "velero.io/v1", "kind": "DownloadRequest",
        "metadata": { "name": "web", "namespace": "velero", "annotations": annotations },
        "spec": { "target": { "kind": "BackupLog", "name": "web" } },
        "status": { "phase": "Processed", "downloadURL": "http://127.0.0.1:1/bucket/log?signature=secret" },
    });
    Answers::default()
        .json(&format!("GET {OBJECTS}/backups/web"), &backup)
        .bytes(&format!("POST {OBJECTS}/downloadrequests"), Vec::new())
        .json(&format!("GET {OBJECTS}/downloadrequests/*"), &request)
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_log_comes_through_the_api_server_when_the_bucket_does_not_answer() {
    let pods = json!({
        "apiVersion": "v1", "kind": "PodList", "metadata": {},
        "items": [{ "metadata": { "name": "velero-5d", "namespace": "velero" } }],
    });
    let fake = cluster(&json!({ DOWNLOAD_PATH_ANNOTATION: "/download/token" }))
        .json(&format!("GET {PODS}"), &pods)
        .bytes(&format!("GET {PODS}/velero-5d:8085/proxy/download/token"), gzip(LOG))
        .serve();
    assert_eq!(Run::with_server(&fake.url).with(&["backup", "logs", "web"]).ok(), LOG);
    assert!(fake.requests().iter().any(|request| request.contains("/proxy/download/token")));
}

#[test]
fn when_both_ways_fail_one_line_says_why_without_the_address() {
    for (annotations, why) in [
        (json!({}), "the server does not hand it out itself"),
        (json!({ DOWNLOAD_PATH_ANNOTATION: "/download/token" }), "nor through the API server"),
    ] {
        let fake = cluster(&annotations).serve();
        let printed = Run::with_server(&fake.url).with(&["backup", "logs", "web"]);
        printed.assert_refused("the file can't be fetched from 127.0.0.1:", "publicUrl");
        assert!(printed.stderr.contains("pods/proxy"), "{}", printed.stderr);
        let first = printed.stderr.lines().next().unwrap_or_default();
        assert!(first.contains(why) && first.contains("refused"), "{first}");
        assert!(
            !printed.stderr.contains("signature") && !printed.stderr.contains("token"),
            "{}",
            printed.stderr
        );
    }
}

#[test]
fn a_log_is_followed_in_the_servers_pod_line_by_line_of_the_backup() {
    let mut backup = json!({ "metadata": { "name": "web", "namespace": "velero" }, "spec": {} });
    backup["status"]["phase"] = "InProgress".into();
    let pods = json!({
        "apiVersion": "v1", "kind": "PodList", "metadata": {},
        "items": [{ "metadata": { "name": "velero-5d" }, "status": { "phase": "Running" } }],
    });
    let log = format!("{LOG}{}", LOG.replace("velero/web", "velero/web-2"));
    let fake = Answers::default()
        .json(&format!("GET {OBJECTS}/backups/web"), &backup)
        .json(&format!("GET {PODS}"), &pods)
        .bytes(&format!("GET {PODS}/velero-5d/log"), log.into_bytes())
        .serve();
    assert_eq!(Run::with_server(&fake.url).with(&["backup", "logs", "web", "--follow"]).ok(), LOG);
}

#[test]
fn a_mistyped_backup_is_told_with_the_nearest_name() {
    let list = json!({ "items": [{ "metadata": { "name": "web" } }], "metadata": {} });
    let fake = cluster(&json!({}))
        .refusal(&format!("GET {OBJECTS}/backups/wbe"), 404, "NotFound", "not found", "wbe")
        .json(&format!("GET {OBJECTS}/backups"), &list)
        .serve();
    let printed = Run::with_server(&fake.url).with(&["backup", "logs", "wbe"]);
    printed.assert_refused("\"wbe\" not found", "did you mean \"web\"?");
}

#[test]
fn an_archive_that_is_damaged_in_the_store_is_downloaded_and_called_damaged() {
    let pods = json!({
        "apiVersion": "v1", "kind": "PodList", "metadata": {},
        "items": [{ "metadata": { "name": "velero-5d", "namespace": "velero" } }],
    });
    let whole = gzip(&LOG.repeat(100));
    for (stored, damaged) in [(whole.clone(), false), (whole[..whole.len() / 2].to_vec(), true)] {
        let fake = cluster(&json!({ DOWNLOAD_PATH_ANNOTATION: "/download/token" }))
            .json(&format!("GET {PODS}"), &pods)
            .bytes(&format!("GET {PODS}/velero-5d:8085/proxy/download/token"), stored.clone())
            .serve();
        let run = Run::with_server(&fake.url);
        let printed = run.with(&["backup", "download", "web"]);
        if damaged {
            printed.assert_refused("it is damaged in the object store", "older version");
        } else {
            assert!(printed.ok().contains("successfully downloaded"));
        }
        assert_eq!(std::fs::read(run.home().join("web-data.tar.gz")).unwrap(), stored);
    }
}

//! What a new user gets wrong, or finds wrong, in the first hour.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Run;
use crate::fake::Answers;

#[test]
fn without_a_kubeconfig_every_place_that_was_tried_is_named() {
    let run = Run::new();
    for line in [&["backup", "get"][..], &["version"], &["backup", "create", "x", "--to", "./b"]] {
        let printed = run.with(line);
        assert_eq!(printed.code, 1);
        for place in ["--kubeconfig", "KUBECONFIG", "~/.kube/config", "service account"] {
            assert!(printed.stderr.contains(place), "{place}: {}", printed.stderr);
        }
        assert!(printed.stderr.contains("hint: name the cluster with --kubeconfig"), "{}", printed.stderr);
    }
    assert!(!run.home().join("b").exists(), "nothing half-made is left");
}

#[test]
fn a_dead_api_server_is_told_within_five_seconds() {
    let run = Run::with_dead_server();
    for line in [
        &["backup", "get"][..],
        &["backup", "create", "x"],
        &["backup", "describe", "x"],
        &["backup", "logs", "x"],
        &["restore", "create", "--from-backup", "x"],
        &["backup", "delete", "x", "--confirm"],
        &["backup-location", "get"],
        &["install", "--crds-only"],
        &["install", "--provider", "aws", "--bucket", "b", "--no-secret"],
        &["uninstall", "--force"],
        &["backup", "create", "x", "--to", "./b"],
    ] {
        let start = Instant::now();
        let printed = run.with(line);
        assert!(start.elapsed() < Duration::from_secs(5), "{line:?}");
        printed.assert_refused("https://127.0.0.1:1", "check that the cluster runs");
    }
    assert!(!run.home().join("b").exists(), "nothing half-made is left");
}

#[test]
fn a_wrong_kubeconfig_is_named() {
    let run = Run::with_dead_server();
    run.with(&["backup", "get", "--kubeconfig", "/nonexistent"]).assert_refused("/nonexistent", "check that");
    run.with(&["backup", "get", "--kubecontext", "ded"])
        .assert_refused("\"ded\"", "did you mean --kubecontext dead?");
}

#[test]
fn the_nearest_right_word_is_named() {
    let run = Run::with_dead_server();
    for (line, error, hint) in [
        (&["backp"][..], "unknown command \"backp\"", "did you mean backup?"),
        (&["backp", "get"], "unknown command \"backp\" for \"bowline\"", "`bowline --help`"),
        (
            &["backup", "creat", "x"],
            "unknown command \"creat\" for \"bowline backup\"",
            "did you mean create?",
        ),
        (
            &["backup", "create", "x", "--include-namespace", "a"],
            "unknown flag: --include-namespace",
            "--include-namespaces",
        ),
        (&["backup", "get", "-o", "jason"], "'jason'", "did you mean json?"),
        (&["backup", "create", "x", "--ttl", "1d"], "invalid duration", "`bowline backup create --help`"),
        (
            &["client", "config", "set", "namspace=x"],
            "no setting \"namspace\"",
            "did you mean \"namespace\"?",
        ),
        (
            &["server", "--disable-controllers", "backups"],
            "no controller \"backups\"",
            "did you mean \"backup\"?",
        ),
    ] {
        run.with(line).assert_refused(error, hint);
    }
    // One that is near enough is not followed by others.
    let hints = run.with(&["bakup"]).stderr;
    assert!(hints.contains("did you mean backup?") && !hints.contains("backup-location"), "{hints}");
}

#[test]
fn invalid_values_are_refused_before_anything_is_sent() {
    let run = Run::with_dead_server();
    for (line, error, hint) in [
        (&["backup", "create", "My_Backup"][..], "not a valid name", "my-backup"),
        (&["backup", "create", "x", "--to", "gs://bucket"], "s3://BUCKET/PREFIX", "--help"),
        (&["schedule", "create", "x", "--schedule", "0 1 * *"], "4 fields", "@every 6h"),
        (&["backup", "create", "x", "-l", "a b"], "not a label", "--help"),
        (&["backup", "delete", "x"], "nobody is here to confirm", "--confirm"),
        (&["backup", "delete"], "which backup", "--all"),
        (&["backup", "describe", "a", "b", "-o", "json"], "one backup, not 2", "one name"),
        (&["backup", "create", "x", "--parallel-files-upload", "-3"], "must not be negative", ""),
        (&["backup", "create", "x", "--ordered-resources", "pods=a/b,secrets=a/c"], "kind=", "--help"),
        (&["backup", "get", "--from", "./nowhere"], "there is no folder", "--to"),
        (&["backup-location", "set", "x"], "nothing to change", "--default"),
        (&["uninstall"], "nobody is here to confirm", "--force"),
        (&["install"], "--provider is missing", "--crds-only"),
        (&["install", "--provider", "aws"], "--bucket is missing", "--no-default-backup-location"),
        (&["install", "--provider", "aws", "--bucket", "b"], "--secret-file or --no-secret", "--no-secret"),
        (
            &["install", "--provider", "aws", "--bucket", "b", "--no-secret", "--use-node-agent"],
            "there is no node agent yet",
            "leave it out",
        ),
        (&["backup", "diff", "x", "--object", "web"], "names no object", "deployment/shop/frontend"),
        (&["plugin", "add", "image"], "nobody is here to confirm", "--confirm"),
        (
            &["install", "--adopt", "--provider", "aws"],
            "'--adopt' cannot be used with '--provider",
            "`bowline install --help`",
        ),
        (&["server", "--concurrent-backups", "0"], "at least 1", ""),
    ] {
        let printed = run.with(line);
        if hint.is_empty() {
            assert!(printed.code == 1 && printed.stderr.contains(error), "{}", printed.stderr);
        } else {
            printed.assert_refused(error, hint);
        }
    }
}

#[test]
fn a_broken_client_configuration_is_named() {
    let run = Run::new();
    let folder = run.home().join(".config/velero");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), "{").unwrap();
    run.with(&["version", "--client-only"]).assert_refused("config.json is not a JSON object", "remove it");
}

#[test]
fn without_custom_resources_or_permission_the_way_out_is_named() {
    let backups = "/apis/velero.io/v1/namespaces/velero/backups";
    let none = Answers::default().serve();
    Run::with_server(&none.url)
        .with(&["backup", "get"])
        .assert_refused("does not know backups.velero.io", "install --crds-only");
    let message = "backups.velero.io is forbidden: User \"dev\" cannot list resource \"backups\"";
    let refusing =
        Answers::default().refusal(&format!("GET {backups}"), 403, "Forbidden", message, "").serve();
    Run::with_server(&refusing.url)
        .with(&["backup", "get"])
        .assert_refused("you have no permission to list backups.velero.io", "kubectl auth can-i");
}

#[test]
fn a_backup_without_a_usable_location_is_refused_and_leaves_nothing() {
    let objects = "/apis/velero.io/v1/namespaces/velero";
    let location = |name: &str, phase: &str, default: bool| {
        json!({ "metadata": { "name": name }, "spec": { "provider": "aws", "default": default, "objectStorage": { "bucket": "b" } },
            "status": { "phase": phase, "message": "no route to http://minio.example:9000" } })
    };
    let cluster = |locations: &[Value]| {
        let list = json!({ "items": locations, "metadata": {} });
        Answers::default()
            .refusal(&format!("GET {objects}/backups/x"), 404, "NotFound", "not found", "x")
            .refusal(
                &format!("GET {objects}/backupstoragelocations/mni"),
                404,
                "NotFound",
                "not found",
                "mni",
            )
            .json(&format!("GET {objects}/backupstoragelocations"), &list)
            .json(
                "GET /api/v1/namespaces",
                &json!({ "items": [{ "metadata": { "name": "velero" } }], "metadata": {} }),
            )
            .serve()
    };
    let create = &["backup", "create", "x"][..];
    for (locations, line, error, hint) in [
        (vec![], create, "no backup storage location", "backup-location create"),
        (
            vec![location("minio", "Available", false)],
            create,
            "is the default one",
            "--storage-location: minio",
        ),
        (
            vec![location("minio", "Unavailable", true)],
            create,
            "http://minio.example:9000",
            "backup-location get minio",
        ),
        (
            vec![location("mini", "Available", true)],
            &["backup", "create", "x", "--storage-location", "mni"],
            "\"mni\" not found",
            "did you mean \"mini\"?",
        ),
    ] {
        let fake = cluster(&locations);
        Run::with_server(&fake.url).with(line).assert_refused(error, hint);
        assert!(!fake.requests().iter().any(|request| request.starts_with("POST")), "{error}");
    }
}

//! Command lines for which Velero 1.18.2's words were recorded: ours are the same, on the same objects.

use bowline_testing::object::namespace;
use serde_json::{Value, json};

use crate::Run;
use crate::memory::{Memory, VELERO};

/// What Velero printed for a command line: the line itself, its words, and its exit code.
struct Recorded {
    said: String,
    code: i32,
}

macro_rules! recorded {
    ($name:literal) => {
        Recorded::read(include_str!(concat!("../../testdata/velero/commands/", $name, ".txt")))
    };
}

impl Recorded {
    fn read(text: &str) -> Self {
        let (_line, rest) = text.split_once('\n').unwrap();
        let (said, code) = rest.trim_end().trim_end_matches(']').rsplit_once("[exit ").unwrap();
        Self { said: said.to_owned(), code: code.parse().unwrap() }
    }

    /// Runs the line with our program called `velero`; what it says must be the same, but for hints.
    fn holds(&self, memory: &Memory, line: &[&str]) {
        self.holds_for(&memory.velero(), line);
    }

    fn holds_for(&self, run: &Run, line: &[&str]) {
        let printed = run.with(line);
        let errors = printed.stderr.lines().filter(|line| !line.starts_with("hint: "));
        let ours: Vec<&str> = printed.stdout.lines().chain(errors).collect();
        assert_eq!(alike(&ours.join("\n")), alike(&self.said), "{line:?}");
        assert_eq!(printed.code, self.code, "{line:?}: {}", printed.stderr);
    }
}

/// A text without what is never the same: colours, times at the end of names, blanks at the ends of lines, Velero's own log lines.
fn alike(text: &str) -> String {
    let colours = regex::Regex::new("\x1b\\[[0-9]*m").unwrap();
    let times = regex::Regex::new("[0-9]{14}").unwrap();
    let text = colours.replace_all(text, "");
    let lines = text.trim_end().lines().filter(|line| !line.starts_with("time=")).map(str::trim_end);
    times.replace_all(&lines.collect::<Vec<_>>().join("\n"), "TIME").into_owned()
}

/// With the namespaces and the backup of the recording.
fn memory() -> Memory {
    let memory = Memory::start();
    for name in ["shop", "tools"] {
        memory.cluster.put(namespace(name));
    }
    memory.put_backup("demo", "Completed");
    memory
}

#[test]
fn backups_are_created_and_deleted_with_veleros_words() {
    let memory = memory();
    recorded!("backup-create")
        .holds(&memory, &["backup", "create", "async", "--include-namespaces", "tools"]);
    let created = memory.object("backups", "async").unwrap();
    assert_eq!(created["spec"]["includedNamespaces"], json!(["tools"]));
    recorded!("backup-create-dup").holds(&memory, &["backup", "create", "demo"]);
    let nowhere = ["backup", "create", "x1", "--storage-location", "nope"];
    recorded!("backup-create-bad-bsl").holds(&memory, &nowhere);
    assert!(memory.object("backups", "x1").is_none());

    recorded!("backup-delete").holds(&memory, &["backup", "delete", "async", "--confirm"]);
    let requests = memory.objects("deletebackuprequests");
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(request["metadata"]["name"].as_str().unwrap().starts_with("async-"));
    assert_eq!(request["metadata"]["labels"]["velero.io/backup-name"], "async");
    assert_eq!(request["metadata"]["labels"]["velero.io/backup-uid"], created["metadata"]["uid"]);
    assert_eq!(request["spec"]["backupName"], "async");
    // The object itself is the server's to delete.
    assert!(memory.object("backups", "async").is_some());
}

#[test]
fn waiting_ends_with_veleros_words_and_exit_code_0_also_when_something_failed() {
    let memory = memory();
    memory.answer("backups", |_| json!({ "phase": "Completed" }));
    let line = ["backup", "create", "waited", "--include-namespaces", "tools", "--wait"];
    let recorded = recorded!("backup-create-wait");
    let printed = memory.velero().with(&line);
    assert_eq!((alike(&printed.stdout), printed.code), (alike(&recorded.said), recorded.code));

    let memory = self::memory();
    memory.answer("backups", |_| json!({ "phase": "PartiallyFailed", "errors": 1 }));
    let said = memory.velero().with(&line).ok();
    assert!(said.contains("\nBackup completed with status: PartiallyFailed."), "{said}");
}

#[test]
fn what_is_not_there_is_told_with_veleros_words() {
    let memory = memory();
    recorded!("backup-get-notfound").holds(&memory, &["backup", "get", "nope"]);
    recorded!("backup-notfound").holds(&memory, &["backup", "describe", "nope"]);
    recorded!("restore-create-nobackup").holds(&memory, &["restore", "create", "--from-backup", "nope"]);
    recorded!("repo-get").holds(&memory, &["repo", "get"]);
    recorded!("vsl-get").holds(&memory, &["snapshot-location", "get"]);
    recorded!("client-config").holds(&memory, &["client", "config", "get"]);
}

#[test]
fn filters_of_both_styles_are_refused_together() {
    let recorded = recorded!("backup-create-mixed");
    let line =
        ["backup", "create", "y", "--include-resources", "pods", "--include-cluster-scoped-resources", "*"];
    let printed = memory().velero().with(&line);
    assert_eq!(printed.code, recorded.code);
    // The words are our own, but those of both that a script could look for.
    for words in ["include-resources", "include-cluster-scoped-resources", "cannot be used"] {
        assert!(
            printed.stderr.contains(words) && recorded.said.contains(words),
            "{words}: {}",
            printed.stderr
        );
    }
}

#[test]
fn restores_are_created_and_deleted_with_veleros_words() {
    let memory = memory();
    let line = ["restore", "create", "--from-backup", "demo", "--include-namespaces", "tools"];
    recorded!("restore-create").holds(&memory, &line);
    let restores = memory.objects("restores");
    let [restore] = restores.as_slice() else { panic!("{restores:?}") };
    let name = restore["metadata"]["name"].as_str().unwrap();
    let time = name.strip_prefix("demo-").unwrap();
    assert!(time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit()), "{name}");

    memory.put("Restore", "demo-copy", &json!({ "spec": { "backupName": "demo" } }));
    recorded!("restore-delete").holds(&memory, &["restore", "delete", "demo-copy", "--confirm"]);
    assert!(memory.object("restores", "demo-copy").is_none());
}

#[test]
fn schedules_are_made_paused_run_and_deleted_with_veleros_words() {
    let memory = memory();
    let daily = ["schedule", "create", "daily", "--schedule", "0 1 * * *", "--include-namespaces", "shop"];
    recorded!("schedule-create").holds(&memory, &daily);
    recorded!("schedule-create-bad")
        .holds(&memory, &["schedule", "create", "bad", "--schedule", "0 25 * * *"]);
    recorded!("schedule-pause").holds(&memory, &["schedule", "pause", "daily"]);
    assert_eq!(memory.object("schedules", "daily").unwrap()["spec"]["paused"], true);
    recorded!("schedule-unpause").holds(&memory, &["schedule", "unpause", "daily"]);
    recorded!("backup-from-schedule").holds(&memory, &["backup", "create", "--from-schedule", "daily"]);
    let made =
        memory.objects("backups").into_iter().find(|backup| backup["metadata"]["name"] != "demo").unwrap();
    assert_eq!(made["metadata"]["labels"]["velero.io/schedule-name"], "daily");
    assert_eq!(made["spec"]["includedNamespaces"], json!(["shop"]));
    recorded!("schedule-delete").holds(&memory, &["schedule", "delete", "daily", "bad", "--confirm"]);
    assert_eq!(memory.objects("schedules"), Vec::<Value>::new());
}

#[test]
fn locations_are_made_and_deleted_with_veleros_words() {
    let memory = memory();
    let create = ["backup-location", "create", "second", "--provider", "aws", "--bucket", "velero"];
    let more = ["--prefix", "other", "--config", "region=minio"];
    recorded!("bsl-create").holds(&memory, &[&create[..], &more].concat());
    let location = memory.object("backupstoragelocations", "second").unwrap();
    assert_eq!(location["spec"]["objectStorage"], json!({ "bucket": "velero", "prefix": "other" }));
    assert_eq!(location["spec"]["config"]["region"], "minio");
    recorded!("bsl-delete").holds(&memory, &["backup-location", "delete", "second", "--confirm"]);
    assert!(memory.object("backupstoragelocations", "second").is_none());
}

#[test]
fn plugins_are_listed_by_kind_and_name_as_velero_does() {
    let recorded = recorded!("plugin-get");
    let rows = recorded.said.lines().skip(1).filter_map(|row| row.split_once(' '));
    let mut plugins: Vec<Value> =
        rows.map(|(name, kind)| json!({ "name": name, "kind": kind.trim() })).collect();
    plugins.reverse();
    let memory = memory();
    memory.answer(
        "serverstatusrequests",
        move |_| json!({ "phase": "Processed", "serverVersion": "v1.18.2", "plugins": plugins.clone() }),
    );
    recorded.holds(&memory, &["plugin", "get"]);
}

#[test]
fn versions_are_printed_in_veleros_form() {
    let memory = memory();
    memory.answer("serverstatusrequests", |_| json!({ "phase": "Processed", "serverVersion": "v1.18.2" }));
    let ours = memory.velero().with(&["version"]).ok();
    let (version, commit) =
        (regex::Regex::new("Version: .*").unwrap(), regex::Regex::new("commit: .*").unwrap());
    let form =
        |text: &str| commit.replace_all(&version.replace_all(text, "Version:"), "commit:").into_owned();
    // Ours has one line more, as the two versions differ.
    let (ours, warning) = ours.split_once("# WARNING").unwrap();
    assert_eq!(form(ours), form(&recorded!("version").said));
    assert!(warning.contains("v1.18.2"), "{warning}");
}

#[test]
fn an_archive_is_downloaded_with_veleros_words() {
    let memory = memory();
    memory.answer_downloads();
    let archive = crate::download::gzip("the archive");
    memory.put_file("BackupContents/demo", archive.clone());
    let run = memory.velero();
    let path = run.home().join("demo.tar.gz");
    let name = path.to_str().unwrap();
    let mut recorded = recorded!("backup-download");
    recorded.said = recorded.said.replace("/tmp/demo-dl.tar.gz", name);
    recorded.holds_for(&run, &["backup", "download", "demo", "-o", name]);
    assert_eq!(std::fs::read(&path).unwrap(), archive);
    // What is there stays, unless that is wanted.
    run.with(&["backup", "download", "demo", "-o", name]).assert_refused("exists", "--force");
    run.with(&["backup", "download", "demo", "-o", name, "--force"]).ok();
    run.with(&["backup", "download", "demo"]).ok();
    assert!(run.home().join("demo-data.tar.gz").exists());
}

#[test]
fn a_backup_with_the_older_filters_is_described_as_velero_does() {
    let memory = memory();
    let annotations = json!({
        "velero.io/resource-timeout": "10m0s", "velero.io/source-cluster-k8s-gitversion": "v1.34.2",
        "velero.io/source-cluster-k8s-major-version": "1", "velero.io/source-cluster-k8s-minor-version": "34",
    });
    let backup = json!({
        "metadata": { "labels": { "velero.io/storage-location": "default" }, "annotations": annotations },
        "spec": {
            "includedNamespaces": ["shop", "missing-ns"], "includedResources": ["configmaps", "secrets"],
            "excludedResources": ["volumesnapshots.snapshot.storage.k8s.io", "volumesnapshotcontents.snapshot.storage.k8s.io"],
            "storageLocation": "default", "defaultVolumesToFsBackup": false, "snapshotMoveData": false, "ttl": "720h0m0s",
            "csiSnapshotTimeout": "10m0s", "itemOperationTimeout": "4h0m0s", "hooks": {}, "metadata": {},
        },
        "status": {
            "phase": "Completed", "formatVersion": "1.1.0", "version": 1, "hookStatus": {},
            "startTimestamp": "2026-11-21T06:46:12Z", "completionTimestamp": "2026-11-21T06:46:12Z",
            "expiration": "2026-12-21T06:46:12Z", "progress": { "totalItems": 4, "itemsBackedUp": 4 },
        },
    });
    memory.put("Backup", "partial", &backup);
    memory.answer_downloads();
    recorded!("backup-describe-partial").holds(&memory, &["backup", "describe", "partial"]);
    let asked: Vec<Value> = memory.objects("downloadrequests");
    for request in &asked {
        let name = request["metadata"]["name"].as_str().unwrap();
        assert!(name.strip_prefix("partial-").is_some_and(|id| id.len() == 36), "{name}");
        assert_eq!(request["metadata"]["namespace"], VELERO);
    }
    assert!(!asked.is_empty());
}

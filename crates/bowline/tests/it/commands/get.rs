//! `get`, `describe`, `logs`: forms of the output, both orders of the words, selections.

use std::process::Command;

use serde_json::{Value, json};

use crate::memory::Memory;

/// Three backups: two in the location `default`, one in `other`.
fn memory() -> Memory {
    let memory = Memory::start();
    for (name, location, phase) in
        [("a", "default", "Completed"), ("b", "default", "PartiallyFailed"), ("c", "other", "Completed")]
    {
        let labels = json!({ "velero.io/storage-location": location });
        let status = json!({ "phase": phase, "startTimestamp": "2026-11-21T06:46:11Z" });
        memory.put(
            "Backup",
            name,
            &json!({ "metadata": { "labels": labels }, "spec": { "storageLocation": location }, "status": status }),
        );
    }
    memory
}

/// The first column.
fn names(table: &str) -> Vec<&str> {
    table.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn both_orders_of_the_words_are_the_same_command() {
    let memory = memory();
    memory.put("Restore", "r", &json!({ "spec": { "backupName": "a" }, "status": { "phase": "Completed" } }));
    memory.put("Schedule", "s", &json!({ "spec": { "schedule": "@daily", "template": {} } }));
    memory.answer_downloads();
    for (noun, verb) in [
        (&["backup", "get"][..], &["get", "backups"][..]),
        (&["backup", "get", "a"], &["get", "backup", "a"]),
        (&["backup", "describe", "a"], &["describe", "backups", "a"]),
        (&["backup", "describe", "a"], &["describe", "backup", "a"]),
        (&["restore", "get"], &["get", "restores"]),
        (&["restore", "describe", "r"], &["describe", "restore", "r"]),
        (&["schedule", "get"], &["get", "schedules"]),
        (&["schedule", "describe", "s"], &["describe", "schedule", "s"]),
        (&["backup-location", "get"], &["get", "backup-locations"]),
        (&["snapshot-location", "get"], &["get", "snapshot-locations"]),
        (&["backup", "delete", "gone", "--confirm"], &["delete", "backup", "gone", "--confirm"]),
    ] {
        let [first, second] = [noun, verb].map(|line| memory.velero().with(line));
        assert_eq!(
            (first.code, &first.stdout, &first.stderr),
            (0, &second.stdout, &second.stderr),
            "{verb:?}"
        );
    }
    for line in [
        &["create", "backup", "new"][..],
        &["create", "restore", "new", "--from-backup", "a"],
        &["create", "schedule", "new", "--schedule", "@daily"],
        &["create", "backup-location", "new", "--provider", "aws", "--bucket", "b"],
        &["create", "snapshot-location", "new", "--provider", "aws"],
    ] {
        memory.velero().with(line).ok();
    }
    let kinds = ["backups", "restores", "schedules", "backupstoragelocations", "volumesnapshotlocations"];
    assert!(kinds.iter().all(|kind| memory.object(kind, "new").is_some()));
    memory.velero().with(&["delete", "schedule", "new", "--confirm"]).ok();
    memory.velero().with(&["delete", "restore", "new", "--confirm"]).ok();
    memory.velero().with(&["delete", "backup-location", "new", "--confirm"]).ok();
    assert!(
        ["schedules", "restores", "backupstoragelocations"]
            .iter()
            .all(|kind| memory.object(kind, "new").is_none())
    );
}

#[test]
fn one_object_is_printed_alone_and_several_as_a_list() {
    let memory = memory();
    let run = memory.velero();
    for line in [
        &["backup", "get", "a", "-o", "json"][..],
        &["get", "backup", "a", "-o", "json"],
        &["backup", "get", "-o", "json", "a"],
    ] {
        let text = run.with(line).ok();
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&object["kind"], &object["status"]["phase"]), (&json!("Backup"), &json!("Completed")));
        assert!(text.len() < 128 << 10);
    }
    let yaml: Value = serde_saphyr::from_str(&run.with(&["backup", "get", "a", "-o", "yaml"]).ok()).unwrap();
    assert_eq!(yaml["metadata"]["name"], "a");
    for line in [&["backup", "get", "-o", "json"][..], &["backup", "get", "a", "b", "c", "-o", "json"]] {
        let list: Value = serde_json::from_str(&run.with(line).ok()).unwrap();
        assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("BackupList"), 3));
    }
    assert_eq!(
        run.with(&["backup", "get", "a", "c", "-o", "name"]).ok(),
        "backup.velero.io/a\nbackup.velero.io/c\n"
    );
}

#[test]
fn a_selector_leaves_one_header_line_and_the_rows_of_its_location() {
    let memory = memory();
    let selected = ["get", "backups", "-l", "velero.io/storage-location=default"];
    assert_eq!(names(&memory.velero().with(&selected).ok()), ["NAME", "a", "b"]);
    let none = ["backup", "get", "--selector", "velero.io/storage-location=none"];
    assert_eq!(memory.velero().with(&none).ok(), "");
    let several = ["backup", "get", "b", "a"];
    assert_eq!(names(&memory.velero().with(&several).ok()), ["NAME", "a", "b"]);
}

#[test]
fn what_is_being_deleted_is_shown_as_deleting() {
    let memory = memory();
    let metadata = json!({ "deletionTimestamp": "2026-11-21T07:00:00Z", "finalizers": ["x"] });
    memory.put("Backup", "d", &json!({ "metadata": metadata, "status": { "phase": "Completed" } }));
    let table = memory.velero().with(&["backup", "get", "d"]).ok();
    assert_eq!(
        table.lines().nth(1).and_then(|row| row.split_whitespace().nth(1)),
        Some("Deleting"),
        "{table}"
    );
}

#[test]
fn objects_of_the_api_server_are_shown_whole_also_what_this_version_does_not_know() {
    let memory = memory();
    memory.put("Backup", "tomorrow", &json!({ "spec": { "fieldOfTomorrow": 1 } }));
    let object = memory.velero().with(&["backup", "get", "tomorrow", "-o", "json"]).ok();
    assert!(object.contains("fieldOfTomorrow"), "{object}");
}

#[test]
fn a_log_is_refused_until_it_is_written() {
    let memory = memory();
    memory.answer_downloads();
    for (phase, written) in [
        ("New", false),
        ("InProgress", false),
        ("WaitingForPluginOperations", true),
        ("WaitingForPluginOperationsPartiallyFailed", true),
        ("Finalizing", true),
        ("Completed", true),
        ("Failed", true),
    ] {
        memory.put_backup("p", phase);
        memory.put("Restore", "p", &json!({ "spec": { "backupName": "p" }, "status": { "phase": phase } }));
        for noun in ["backup", "restore"] {
            let printed = memory.velero().with(&[noun, "logs", "p"]);
            // There is no file, so that what is not refused asks for it in vain.
            let expected =
                if written { "no log of \"p\" in the object store" } else { "not available until" };
            assert!(
                printed.code == 1 && printed.stderr.contains(expected),
                "{noun} {phase}: {}",
                printed.stderr
            );
        }
    }
}

#[test]
fn what_failed_its_validation_has_no_log_and_says_where_the_reason_is() {
    let memory = memory();
    memory.answer_downloads();
    memory.put_backup("p", "FailedValidation");
    let invalid = json!({ "spec": { "backupName": "p" }, "status": { "phase": "FailedValidation" } });
    memory.put("Restore", "p", &invalid);
    for noun in ["backup", "restore"] {
        let hint = format!("`velero {noun} describe p`");
        memory.velero().with(&[noun, "logs", "p"]).assert_refused("failed its validation", &hint);
    }
    // A server that got further has written one.
    memory.put_file("BackupLog/p", crate::download::gzip("policies\n"));
    assert_eq!(memory.velero().with(&["backup", "logs", "p"]).ok(), "policies\n");
}

#[test]
fn a_backup_that_failed_without_a_log_says_where_its_reason_is() {
    let memory = memory();
    memory.answer_downloads();
    memory.put_backup("full", "Failed");
    memory.velero().with(&["backup", "logs", "full"]).assert_refused("full", "`velero backup describe full`");
}

#[test]
fn the_only_backup_that_is_found_is_described_as_json_without_its_name() {
    let memory = memory();
    memory.answer_downloads();
    let describe = |line: &[&str]| {
        let line = [&["backup", "describe", "-o", "json"], line].concat();
        memory.velero().with(&line)
    };
    let only: Value =
        serde_json::from_str(&describe(&["-l", "velero.io/storage-location=other"]).ok()).unwrap();
    assert_eq!(only["metadata"]["name"], "c");
    assert_eq!(describe(&["-l", "velero.io/storage-location=none"]).ok(), "");
    describe(&[]).assert_refused("one backup, not 3", "one name");
}

#[test]
fn a_log_is_printed_as_text() {
    let memory = memory();
    memory.answer_downloads();
    memory.put_file("BackupLog/a", crate::download::gzip("time=\"now\" level=info msg=\"done\"\n"));
    assert_eq!(memory.velero().with(&["backup", "logs", "a"]).ok(), "time=\"now\" level=info msg=\"done\"\n");
}

#[test]
fn without_a_pod_of_the_server_a_followed_log_comes_when_the_backup_is_over() {
    let memory = memory();
    memory.answer_downloads();
    memory.put_backup("p", "InProgress");
    memory.put_file("BackupLog/p", crate::download::gzip("done\n"));
    let printed = std::thread::scope(|scope| {
        let run = memory.velero();
        let following = scope.spawn(move || run.with(&["backup", "logs", "p", "--follow"]));
        let asked = || memory.seen().iter().any(|seen| seen.path.ends_with("/pods"));
        while !asked() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        memory.put_backup("p", "Completed");
        following.join().unwrap()
    });
    assert!(printed.stderr.contains("the log follows when the backup is over"), "{}", printed.stderr);
    assert_eq!(printed.ok(), "done\n");
}

#[test]
fn a_watched_table_grows_by_a_row_for_each_change() {
    use std::io::{BufRead as _, BufReader};

    let memory = memory();
    let create = |name: &str| {
        memory.velero().with(&["schedule", "create", name, "--schedule", "@daily"]).ok();
    };
    create("a");
    let run = memory.velero();
    let mut child = Command::new(run.program())
        .args(["schedule", "get", "--watch"])
        .env_clear()
        .env("HOME", run.home())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (send, rows) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
    // First and last word: name and whether it is paused.
    let row = || {
        let row: String = rows.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        [row.split_whitespace().next(), row.split_whitespace().last()].map(|word| word.unwrap().to_owned())
    };
    assert_eq!([row(), row()], [["NAME", "PAUSED"], ["a", "false"]]);
    create("b");
    assert_eq!(row(), ["b", "false"]);
    memory.velero().with(&["schedule", "pause", "a"]).ok();
    assert_eq!(row(), ["a", "true"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Runs a line with a terminal on all sides, and types an answer.
fn at_a_terminal(memory: &Memory, line: &str, answer: &str, variables: &[(&str, &str)]) -> String {
    use std::io::Write as _;

    let run = memory.velero();
    let mut child = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--echo",
            "never",
            "--command",
            &format!("{} {line}", run.program()),
            "/dev/null",
        ])
        .env_clear()
        .envs([("HOME", run.home().to_str().unwrap()), ("PATH", "/usr/bin:/bin"), ("TERM", "xterm")])
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(answer.as_bytes()).unwrap();
    // The terminal must not end before the program has read.
    let output = child.wait_with_output().unwrap();
    drop(input);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn at_a_terminal_a_question_is_asked_before_anything_is_deleted() {
    let memory = memory();
    let said = at_a_terminal(&memory, "backup delete a", "n\n", &[]);
    assert!(said.contains("Delete backup a?\r\nAre you sure you want to continue (Y/N)?"), "{said}");
    assert_eq!(memory.objects("deletebackuprequests").len(), 0);
    let said = at_a_terminal(&memory, "backup delete a", "y\n", &[]);
    assert!(said.contains("submitted successfully"), "{said}");
    assert_eq!(memory.objects("deletebackuprequests").len(), 1);
}

#[test]
fn a_name_that_nothing_can_have_is_not_there_and_is_no_part_of_a_request() {
    let memory = memory();
    for name in ["", "A", "a b", "a/status", "../restores", "a?x=y", "a%2e", "é"] {
        for line in [["backup", "get", name], ["backup", "describe", name], ["restore", "logs", name]] {
            let printed = memory.velero().with(&line);
            let expected = format!("{name:?} not found");
            assert!(printed.code == 1 && printed.stderr.contains(&expected), "{line:?}: {}", printed.stderr);
        }
    }
    let paths: Vec<String> = memory.seen().into_iter().map(|seen| seen.path).collect();
    let lists = ["/backups", "/restores", "/namespaces"];
    assert!(paths.iter().all(|path| lists.iter().any(|list| path.ends_with(list))), "{paths:?}");
}

#[test]
fn control_characters_of_others_do_not_reach_a_terminal() {
    let memory = memory();
    memory.answer_downloads();
    let log = "one \x1b[2J\x1b]0;title\x07 \u{9b}1m\n";
    memory.put_file("BackupLog/a", crate::download::gzip(log));
    let status = json!({ "phase": "Failed", "failureReason": "why \x1b[2J" });
    memory.put("Backup", "z", &json!({ "metadata": { "annotations": { "a": "b\x1bc" } }, "status": status }));
    let said = at_a_terminal(&memory, "backup logs a", "", &[]);
    assert!(said.contains("one \\x1b[2J\\x1b]0;title\\x07 \\x9b1m"), "{said:?}");
    let said = at_a_terminal(&memory, "backup describe z", "", &[("NO_COLOR", "1")]);
    assert!(
        !said.contains('\x1b') && said.contains("why \\x1b[2J") && said.contains("a=b\\x1bc"),
        "{said:?}"
    );
    let said = at_a_terminal(&memory, "backup get 'n\x1b[2J'", "", &[]);
    assert!(!said.contains('\x1b') && said.contains("not found"), "{said:?}");
    // A file gets what is stored.
    assert_eq!(memory.velero().with(&["backup", "logs", "a"]).ok(), log);
}

#[test]
fn phases_have_colours_at_a_terminal_unless_they_are_unwanted() {
    let memory = memory();
    memory.answer_downloads();
    let green = "\x1b[32mCompleted\x1b[0m";
    assert!(at_a_terminal(&memory, "backup describe a", "", &[]).contains(green));
    assert!(!at_a_terminal(&memory, "backup describe a --colorized=false", "", &[]).contains('\x1b'));
    assert!(!at_a_terminal(&memory, "backup describe a", "", &[("NO_COLOR", "1")]).contains('\x1b'));
    assert!(!memory.velero().with(&["backup", "describe", "a"]).ok().contains('\x1b'));
}

//! `delete` of all kinds: by names, by labels, all.

use serde_json::json;

use crate::memory::Memory;

fn memory() -> Memory {
    let memory = Memory::start();
    for name in ["a", "b", "c"] {
        let team = if name == "c" { "two" } else { "one" };
        let metadata = json!({ "labels": { "team": team } });
        memory.put("Backup", name, &json!({ "metadata": metadata, "status": { "phase": "Completed" } }));
        memory.put("Restore", name, &json!({ "metadata": metadata, "status": { "phase": "Completed" } }));
        memory.put(
            "Schedule",
            name,
            &json!({ "metadata": metadata, "spec": { "schedule": "@daily", "template": {} } }),
        );
    }
    memory
}

#[test]
fn labels_or_all_choose_what_is_deleted() {
    let memory = memory();
    let run = memory.velero();
    let count = |kind: &str| memory.objects(kind).len();
    run.with(&["backup", "delete", "-l", "team=one", "--confirm"]).ok();
    assert_eq!((count("backups"), count("deletebackuprequests")), (3, 2));
    run.with(&["restore", "delete", "-l", "team=two", "--confirm"]).ok();
    assert_eq!(count("restores"), 2);
    run.with(&["restore", "delete", "--all", "--confirm"]).ok();
    assert_eq!(count("restores"), 0);
    run.with(&["schedule", "delete", "--all", "--confirm"]).ok();
    assert_eq!((count("schedules"), count("backups")), (0, 3));
}

#[test]
fn names_labels_and_all_exclude_each_other() {
    let memory = memory();
    for noun in ["backup", "restore", "schedule", "backup-location"] {
        for line in [
            &[noun, "delete", "a", "--all", "--confirm"][..],
            &[noun, "delete", "a", "-l", "team=one", "--confirm"],
            &[noun, "delete", "--all", "-l", "team=one", "--confirm"],
            &[noun, "delete", "--confirm"],
        ] {
            let printed = memory.velero().with(line);
            assert!(printed.code == 1 && printed.stdout.is_empty(), "{line:?}: {}", printed.stderr);
        }
    }
    for verb in ["pause", "unpause"] {
        let printed = memory.velero().with(&["schedule", verb, "a", "--all"]);
        assert_eq!(printed.code, 1, "{}", printed.stderr);
    }
    assert!(memory.seen().iter().all(|seen| seen.method == "GET"), "nothing was changed");
}

#[test]
fn what_is_not_there_is_no_error_when_it_is_to_go() {
    let memory = memory();
    let printed = memory.velero().with(&["backup", "delete", "gone", "--confirm"]);
    assert_eq!((printed.code, printed.stdout.as_str()), (0, "No backups found\n"));
    assert!(printed.stderr.contains("backups.velero.io \"gone\" not found"), "{}", printed.stderr);
    let printed = memory.velero().with(&["schedule", "delete", "-l", "team=none", "--confirm"]).ok();
    assert_eq!(printed, "No schedules found\n");
}

#[test]
fn a_name_of_nothing_is_an_error_when_the_others_are_deleted() {
    let memory = memory();
    let printed = memory.velero().with(&["backup", "delete", "a", "gone", "lost", "--confirm"]);
    assert_eq!(printed.code, 1);
    assert!(printed.stdout.contains("Request to delete backup \"a\" submitted"), "{}", printed.stdout);
    for name in ["gone", "lost"] {
        let error = format!("backups.velero.io {name:?} not found");
        assert!(printed.stderr.lines().next().unwrap().contains(&error), "{}", printed.stderr);
    }
    let printed = memory.velero().with(&["schedule", "delete", "gone", "a", "--confirm"]);
    assert_eq!((printed.code, printed.stdout.as_str()), (1, "Schedule deleted: a\n"));
    assert_eq!(memory.objects("schedules").len(), 2);
}

#[test]
fn no_restore_is_deleted_when_one_of_the_names_is_of_nothing() {
    let memory = memory();
    for names in [&["gone"][..], &["a", "gone"]] {
        let line = [&["restore", "delete"], names, &["--confirm"]].concat();
        memory
            .velero()
            .with(&line)
            .assert_refused("restores.velero.io \"gone\" not found", "there are a, b, c");
    }
    assert_eq!(memory.objects("restores").len(), 3);
}

#[test]
fn an_answer_may_come_through_a_pipe() {
    let memory = memory();
    let question = "Are you sure you want to continue (Y/N)? ";
    let declined = memory.velero().answering("n\n", &["backup", "delete", "a"]);
    assert_eq!((declined.code, declined.stdout.as_str()), (0, question));
    assert_eq!(memory.objects("deletebackuprequests").len(), 0);
    let agreed = memory.velero().answering("what?\nY\n", &["backup", "delete", "a"]).ok();
    assert!(agreed.starts_with(&question.repeat(2)) && agreed.contains("submitted successfully"), "{agreed}");
    assert_eq!(memory.objects("deletebackuprequests").len(), 1);
    memory.velero().answering("yes", &["restore", "delete", "--all"]).ok();
    assert_eq!(memory.objects("restores").len(), 0);
    memory
        .velero()
        .with(&["schedule", "delete", "a"])
        .assert_refused("nobody is here to confirm", "--confirm");
}

use bowline_testing::object::namespace;
use bowline_testing::{Fault, Process};
use serde_json::{Value, json};

use super::{phase, seconds};
use crate::reports::story;
use crate::world::World;

fn request(world: &World, name: &str, namespaces: &[&str]) {
    world.create("Backup", "backups", name, &json!({"includedNamespaces": namespaces}));
}

fn position(world: &World, name: &str) -> Value {
    world.object("backups", name).unwrap()["status"]["queuePosition"].clone()
}

/// Each put of an archive takes a minute from now on.
fn slow(world: &World) {
    world.bucket.faults().before(|call| {
        let archive = call.verb == "put" && call.name.ends_with(".tar.gz");
        archive.then_some(Fault::<bowline_store::Error>::Delay(std::time::Duration::from_mins(1)))
    });
}

#[test]
fn backups_wait_in_line_with_their_positions_which_close_up() {
    story(async |world| {
        slow(&world);
        let _server = world.start(Process::default());
        for name in ["a", "b", "c"] {
            request(&world, name, &["shop"]);
            seconds(2).await;
        }
        let phases = ["a", "b", "c"].map(|name| world.phase("backups", name));
        assert_eq!(phases, ["InProgress", "Queued", "Queued"]);
        assert_eq!((position(&world, "b"), position(&world, "c")), (json!(1), json!(2)));
        phase(&world, "backups", "b", "InProgress").await;
        seconds(2).await;
        assert_eq!((world.phase("backups", "c").as_str(), position(&world, "c")), ("Queued", json!(1)));
        assert!(position(&world, "b").is_null() || position(&world, "b") == 0, "a running one has a place");
        phase(&world, "backups", "c", "Completed").await;
    });
}

#[test]
fn those_who_share_no_namespace_with_one_that_has_to_wait_start_before_it() {
    story(async |world| {
        world.cluster.put(namespace("one"));
        world.cluster.put(namespace("two"));
        slow(&world);
        let _server = world.start_with(Process::default(), |config| config.concurrent_backups = 3);
        let requests: [(&str, &[&str]); 5] = [
            ("first", &["one"]),
            ("again", &["one"]),
            ("other", &["two"]),
            ("behind", &["two", "one"]),
            ("all", &[]),
        ];
        for (name, namespaces) in requests {
            request(&world, name, namespaces);
            seconds(2).await;
        }
        let phases = requests.map(|(name, _)| world.phase("backups", name));
        assert_eq!(phases, ["InProgress", "Queued", "InProgress", "Queued", "Queued"]);
        phase(&world, "backups", "all", "Completed").await;
        let time = |name: &str, of: &str| world.object("backups", name).unwrap()["status"][of].to_string();
        for (before, after) in
            [("first", "again"), ("again", "behind"), ("other", "behind"), ("behind", "all")]
        {
            let (ended, began) = (time(before, "completionTimestamp"), time(after, "startTimestamp"));
            assert!(ended <= began, "{after} began before {before} had ended: {}", world.describe());
        }
    });
}

#[test]
fn a_restart_leaves_the_line_as_it_was_and_starts_what_was_ready_to_start() {
    story(async |world| {
        for (name, phase, place) in
            [("ready", "ReadyToStart", 0), ("first", "Queued", 1), ("second", "Queued", 2)]
        {
            request(&world, name, &["shop"]);
            super::change(
                &world,
                "backups",
                name,
                "/status",
                json!({"phase": phase, "queuePosition": place}),
            );
        }
        slow(&world);
        let _server = world.start(Process::default());
        phase(&world, "backups", "ready", "InProgress").await;
        assert_eq!((position(&world, "first"), position(&world, "second")), (json!(1), json!(2)));
        phase(&world, "backups", "second", "Completed").await;
        let start =
            |name: &str| world.object("backups", name).unwrap()["status"]["startTimestamp"].to_string();
        assert!(start("ready") < start("first") && start("first") < start("second"), "{}", world.describe());
    });
}

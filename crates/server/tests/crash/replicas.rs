//! Several servers at once: one works, the others take over, and nobody works beside another.

use std::time::Duration;

use bowline_server::Election;
use bowline_testing::Process;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::kill::in_paused_time;
use crate::scenario::{attempts, request_backup};
use crate::world::{Server, World};

const TAKEOVER: Duration = Duration::from_secs(20);

fn start(world: &World, instance: &str) -> Server {
    let election = Election { identity: instance.to_owned(), ..Election::new(instance) };
    world.start_as(Process::default(), instance, Some(election))
}

/// Who holds the Lease.
fn leader(world: &World) -> Option<String> {
    let leases = world.cluster.objects("leases.coordination.k8s.io");
    leases.first().and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned))
}

async fn is_led_by(world: &World, instance: &str) {
    world.until("it leads", |world| leader(world).as_deref() == Some(instance)).await;
}

#[test]
fn v9062_three_replicas_make_one_backup() {
    let (_, ()) = in_paused_time(async {
        let world = World::new();
        let _servers = ["a", "b", "c"].map(|instance| start(&world, instance));
        let spec = json!({"schedule": "*/5 * * * *", "template": {"includedNamespaces": ["shop"]}});
        world.create("Schedule", "schedules", "often", &spec);
        tokio::time::sleep(Duration::from_mins(13)).await;
        assert_eq!(world.cluster.objects("backups.velero.io").len(), 3, "{}", world.describe());
        world.check().await;
    });
}

#[test]
fn a_killed_leader_is_followed_within_20_seconds_and_a_stopped_one_at_once() {
    let (_, ()) = in_paused_time(async {
        let world = World::new();
        let first = start(&world, "first");
        is_led_by(&world, "first").await;
        let second = start(&world, "second");
        tokio::time::sleep(Duration::from_mins(5)).await;
        let killed = Instant::now();
        first.kill().await;
        is_led_by(&world, "second").await;
        println!("takeover after a kill: {:?}", killed.elapsed());
        assert!(killed.elapsed() <= TAKEOVER, "{:?}", killed.elapsed());

        let _third = start(&world, "third");
        tokio::time::sleep(Duration::from_mins(5)).await;
        let stopped = Instant::now();
        second.stop().await;
        is_led_by(&world, "third").await;
        println!("takeover after a stop: {:?}", stopped.elapsed());
        assert!(stopped.elapsed() <= Duration::from_secs(2), "{:?}", stopped.elapsed());
    });
}

#[test]
fn v9036_a_leader_behind_a_slow_network_writes_nothing_beside_its_successor() {
    for cut_off in [1, 20, 60, 100] {
        let (_, ()) = in_paused_time(async {
            let world = World::new();
            let old = start(&world, "old");
            is_led_by(&world, "old").await;
            let new = start(&world, "new");
            request_backup(&world, "b");
            let calls = old.process.calls().len();
            world.until("it works", |_| old.process.calls().len() >= calls + cut_off || ended(&world)).await;
            // Each of its requests arrives long after its Lease is over.
            old.process.slow(Duration::from_secs(40));
            is_led_by(&world, "new").await;
            let since = world.bucket.faults().calls().len();
            world.until("the backup ends", ended).await;
            tokio::time::sleep(Duration::from_mins(2)).await;
            let backup = world.object("backups", "b").unwrap_or_default();
            assert_eq!(backup["status"]["phase"], "Completed", "{backup:#}");
            assert!((1..=2).contains(&attempts(&world, "backups", "b")), "{backup:#}");
            let puts = puts(&world, since);
            assert!(puts <= 1, "the metadata was written {puts} times after the takeover");
            assert!(old.is_running() && new.is_running(), "a server has ended");
            world.check().await;
        });
    }
}

fn ended(world: &World) -> bool {
    world.phase("backups", "b") == "Completed"
}

/// How often the metadata of a backup was put since.
fn puts(world: &World, since: usize) -> usize {
    let calls = world.bucket.faults().calls();
    let late = calls.iter().skip(since);
    late.filter(|call| call.verb == "put" && call.name.ends_with("velero-backup.json")).count()
}

#[test]
fn backups_go_on_while_leaders_are_killed_in_turn() {
    let (_, ()) = in_paused_time(async {
        let world = World::new();
        let spec = json!({"schedule": "*/5 * * * *", "template": {"includedNamespaces": ["shop"]}});
        world.create("Schedule", "schedules", "often", &spec);
        let mut standing = start(&world, "0");
        for round in 1..7 {
            let next = start(&world, &round.to_string());
            tokio::time::sleep(Duration::from_secs(97 + round * 13)).await;
            std::mem::replace(&mut standing, next).kill().await;
        }
        tokio::time::sleep(Duration::from_mins(6)).await;
        let backups = world.cluster.objects("backups.velero.io");
        assert!(
            backups.iter().all(|backup| backup["status"]["phase"] == "Completed"),
            "{}",
            world.describe()
        );
        let slots: std::collections::BTreeSet<_> = backups.iter().map(slot).collect();
        assert_eq!(slots.len(), backups.len(), "a time has two backups\n{}", world.describe());
        assert!(standing.is_running());
        world.check().await;
    });
}

/// The five minutes in which a backup was made.
fn slot(backup: &Value) -> i64 {
    let created = backup["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
    created.parse::<jiff::Timestamp>().map(|created| created.as_second() / 300).unwrap_or_default()
}

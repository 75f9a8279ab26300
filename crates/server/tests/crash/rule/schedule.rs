use bowline_testing::{Fault, Process};
use serde_json::{Value, json};

use super::{change, phase, seconds};
use crate::reports::story;
use crate::world::World;

/// The world's clock begins at 03:04:05.
fn make(world: &World, name: &str, spec: &Value) {
    let mut all = json!({"schedule": "*/10 * * * *", "template": {"includedNamespaces": ["shop"]}});
    all.as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap_or_default());
    world.create("Schedule", "schedules", name, &all);
}

fn names(world: &World) -> Vec<String> {
    let all = world.cluster.objects("backups.velero.io");
    all.iter().map(|backup| backup["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_schedule_makes_a_backup_at_each_of_its_times() {
    story(async |world| {
        let _server = world.start(Process::default());
        make(&world, "s", &json!({}));
        phase(&world, "schedules", "s", "Enabled").await;
        seconds(27 * 60).await;
        let made = names(&world);
        assert_eq!(made.len(), 3, "{made:?}");
        for (name, minute) in made.iter().zip(["0310", "0320", "0330"]) {
            assert!(name.starts_with(&format!("s-20260102{minute}0")), "{name}");
        }
        let last =
            world.object("schedules", "s").unwrap()["status"]["lastBackup"].as_str().unwrap().to_owned();
        assert!(last.starts_with("2026-01-02T03:30:0"), "{last}");
    });
}

#[test]
fn a_paused_schedule_makes_nothing_and_times_of_a_server_that_was_away_are_not_made_up_for() {
    story(async |world| {
        let server = world.start(Process::default());
        make(&world, "paused", &json!({"paused": true}));
        make(&world, "s", &json!({}));
        phase(&world, "schedules", "s", "Enabled").await;
        server.stop().await;
        seconds(35 * 60).await;
        let _next = world.start(Process::default());
        seconds(30).await;
        assert_eq!(names(&world).len(), 1, "{:?}", names(&world));
    });
}

#[test]
fn a_schedule_waits_while_one_of_its_backups_is_unfinished() {
    story(async |world| {
        world.bucket.faults().before(|call| {
            let archive = call.verb == "put" && call.name.ends_with(".tar.gz");
            archive.then_some(Fault::<bowline_store::Error>::Delay(std::time::Duration::from_mins(15)))
        });
        let _server = world.start(Process::default());
        make(&world, "s", &json!({}));
        seconds(17 * 60).await;
        assert_eq!(names(&world).len(), 1, "it did not wait");
        seconds(5 * 60).await;
        assert_eq!(names(&world).len(), 2, "it waits on");
    });
}

#[test]
fn a_backup_of_a_schedule_carries_its_labels_annotations_and_owner_as_asked() {
    story(async |world| {
        let _server = world.start(Process::default());
        make(&world, "plain", &json!({}));
        make(
            &world,
            "owning",
            &json!({
                "useOwnerReferencesInBackup": true,
                "template": {"includedNamespaces": ["shop"], "ttl": "48h", "metadata": {"labels": {"only": "this"}}},
            }),
        );
        change(&world, "schedules", "plain", "/metadata/labels", json!({"team": "shop"}));
        change(&world, "schedules", "plain", "/metadata/annotations", json!({"example.io/why": "law"}));
        seconds(8 * 60).await;
        let made = world.cluster.objects("backups.velero.io");
        let of = |schedule: &str| {
            made.iter().find(|it| it["metadata"]["labels"]["velero.io/schedule-name"] == schedule).unwrap()
        };
        let (plain, owning) = (of("plain"), of("owning"));
        assert_eq!(plain["metadata"]["labels"]["team"], "shop");
        assert_eq!(plain["metadata"]["annotations"]["example.io/why"], "law");
        assert!(plain["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty));
        assert_eq!(owning["metadata"]["labels"]["only"], "this");
        assert_eq!(owning["spec"]["ttl"], "48h0m0s");
        let uid = &world.object("schedules", "owning").unwrap()["metadata"]["uid"];
        let owner = &owning["metadata"]["ownerReferences"][0];
        assert_eq!(
            (&owner["uid"], &owner["kind"], &owner["controller"]),
            (uid, &json!("Schedule"), &json!(true))
        );
    });
}

#[test]
fn skipping_at_once_leaves_out_the_run_that_is_due_and_resets_itself() {
    story(async |world| {
        make(&world, "own", &json!({"skipImmediately": true}));
        make(&world, "server", &json!({}));
        make(&world, "against", &json!({"skipImmediately": false}));
        seconds(15 * 60).await;
        let _server = world.start_with(Process::default(), |config| config.schedule_skip_immediately = true);
        seconds(30).await;
        let made = names(&world);
        assert!(made.len() == 1 && made[0].starts_with("against-"), "{made:?}");
        for name in ["own", "server"] {
            let schedule = world.object("schedules", name).unwrap();
            assert_eq!(schedule["spec"]["skipImmediately"], false, "{name}");
            assert!(schedule["status"]["lastSkipped"].is_string(), "{name}");
        }
        seconds(600).await;
        assert_eq!(names(&world).len(), 4, "they run at their next time");
    });
}

#[test]
fn a_time_zone_in_the_expression_counts() {
    story(async |world| {
        let _server = world.start(Process::default());
        // 03:30 UTC is 09:00 in Kolkata.
        make(&world, "s", &json!({"schedule": "CRON_TZ=Asia/Kolkata 0 9 * * *"}));
        seconds(20 * 60).await;
        assert_eq!(names(&world), [""; 0]);
        seconds(7 * 60).await;
        assert_eq!(names(&world).len(), 1);
    });
}

#[test]
fn an_expression_that_means_nothing_is_told_in_the_status() {
    story(async |world| {
        let _server = world.start(Process::default());
        make(&world, "s", &json!({"schedule": "every day at noon please"}));
        phase(&world, "schedules", "s", "FailedValidation").await;
        let errors = world.object("schedules", "s").unwrap()["status"]["validationErrors"].clone();
        assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    });
}

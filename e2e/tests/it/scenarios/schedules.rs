//! Backups at certain times: Velero's Schedule Periodical, Pause and InProgress.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bowline_e2e::{Gate, location};
use serde_json::Value;

use super::stage::{Scenario, eventually};

/// A schedule of this scenario that is due every other second.
fn every_other_second(scenario: &Scenario, flags: &[&str]) -> Result<()> {
    let create = ["schedule", "create", &scenario.name, "--schedule", "@every 2s"];
    scenario.bowline.ok(&[&create[..], flags].concat()).map(drop)
}

/// The backups that the schedule has made.
fn made(scenario: &Scenario) -> Result<Vec<Value>> {
    let label = format!("velero.io/schedule-name={}", scenario.name);
    let list =
        scenario.cluster.get(&["-n", scenario.bowline.namespace(), "backups.velero.io", "-l", &label])?;
    list["items"].as_array().cloned().context("no list")
}

fn completed(scenario: &Scenario) -> Result<usize> {
    Ok(made(scenario)?.iter().filter(|backup| backup["status"]["phase"] == "Completed").count())
}

#[test]
fn a_schedule_runs_pauses_and_runs_again() -> Result<()> {
    let scenario = Scenario::new("periodical")?;
    let namespace = scenario.namespace("first")?;
    every_other_second(&scenario, &["--include-namespaces", &namespace])?;
    eventually("two backups are made", || Ok(completed(&scenario)? >= 2))?;
    scenario.bowline.ok(&["schedule", "pause", &scenario.name])?;
    eventually("nothing is running", || Ok(completed(&scenario)? == made(&scenario)?.len()))?;
    let before = made(&scenario)?.len();
    std::thread::sleep(Duration::from_secs(5));
    // One may have been created while the pause was being written.
    let paused = made(&scenario)?.len();
    assert!(paused <= before + 1, "{before} became {paused}");
    scenario.bowline.ok(&["schedule", "unpause", &scenario.name])?;
    eventually("another backup is made", || Ok(completed(&scenario)? > paused))?;
    let names = made(&scenario)?;
    let prefix = format!("{}-20", scenario.name);
    assert!(
        names
            .iter()
            .all(|backup| backup["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(&prefix)))
    );
    scenario.bowline.ok(&["schedule", "delete", &scenario.name, "--confirm"]).map(drop)
}

/// While a backup of a schedule runs, its next run waits.
#[test]
fn in_progress() -> Result<()> {
    let scenario = Scenario::new("in-progress")?;
    let namespace = scenario.namespace("first")?;
    let gate = Gate::before(scenario.cluster.setting("BOWLINE_S3_URL")?.trim_start_matches("http://"))?;
    locate_behind(&gate, &scenario)?;
    gate.hold_after(0);
    every_other_second(
        &scenario,
        &["--include-namespaces", &namespace, "--storage-location", &scenario.name],
    )?;
    gate.wait_until_it_holds(Duration::from_secs(30))?;
    std::thread::sleep(Duration::from_secs(6));
    let running = made(&scenario)?;
    assert!(running.len() == 1 && running[0]["status"]["phase"] == "InProgress", "{running:#?}");
    gate.open();
    eventually("the next backup is made", || Ok(completed(&scenario)? >= 2))?;
    scenario.bowline.ok(&["schedule", "delete", &scenario.name, "--confirm"]).map(drop)
}

/// Makes a location in the cluster's S3 store that the server can only reach through a gate.
fn locate_behind(gate: &Gate, scenario: &Scenario) -> Result<()> {
    let secret_key = scenario.cluster.setting("AWS_SECRET_ACCESS_KEY")?;
    location::create_credentials(scenario.bowline, &scenario.name, secret_key)?;
    let direct = scenario.cluster.setting("BOWLINE_S3_URL")?;
    let config =
        location::s3_config(scenario.cluster)?.replace(direct, &format!("http://{}", gate.address()));
    let credential = format!("{}=cloud", scenario.name);
    let create = ["backup-location", "create", &scenario.name, "--provider", "aws", "--bucket", "bowline"];
    let place = ["--prefix", &scenario.name, "--config", &config, "--credential", &credential];
    scenario.bowline.ok(&[&create[..], &place].concat())?;
    eventually("the location is available", || {
        let location = scenario.bowline.object("backupstoragelocation", &scenario.name)?;
        Ok(location["status"]["phase"] == "Available")
    })
}

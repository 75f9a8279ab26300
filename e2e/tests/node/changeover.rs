//! Servers that take the place of others while there is something to do: a former build of ours, and one that was there before.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bowline_e2e::Bowline;
use serde_json::{Value, json};

use crate::application::Application;
use crate::stage::{IMAGE, NAMESPACE, Stage};

/// A build from before: what `BOWLINE_FORMER` names, else the same program under another name.
const FORMER: &str = "docker.io/local/bowline:e2e-before";
/// And as the image of an installation that is not ours by its name.
const VELEROS: &str = "docker.io/local/velero:e2e";
const LIMIT: Duration = Duration::from_mins(3);
/// A hook that goes on long enough for a Deployment to be replaced meanwhile.
const LONG_HOOK: &str = r#"["sh", "-c", "echo begun >>/data/trace; sleep 20"]"#;

fn image_of_the_server(stage: &Stage) -> Result<String> {
    let pods = stage.cluster.get(&["-n", NAMESPACE, "pods", "-l", "deploy=velero"])?;
    let live = pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let image = live.map(|pod| pod["spec"]["containers"][0]["image"].clone()).unwrap_or_default();
    Ok(image.as_str().unwrap_or_default().to_owned())
}

/// Waits until a hook has begun in the application.
pub(crate) fn until_begun(application: &Application<'_>) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    // There is no pod to ask while the application is being restored.
    while !application.trace().is_ok_and(|lines| lines.iter().any(|line| line == "begun")) {
        ensure!(Instant::now() < deadline, "the hook has not begun");
        std::thread::sleep(Duration::from_millis(300));
    }
    Ok(())
}

/// Replaces the server by another image, and waits for that.
fn upgrade(stage: &Stage, image: &str) -> Result<()> {
    stage.install(&["--image", image])?;
    ensure!(image_of_the_server(stage)? == image, "the server has the image {}", image_of_the_server(stage)?);
    Ok(())
}

/// That it has ended well, once, and that no attempt at it was lost.
fn ended_well_once(bowline: &Bowline<'_>, stage: &Stage, kind: &str, name: &str) -> Result<Value> {
    let object = bowline.ended(kind, name, LIMIT)?;
    let status = &object["status"];
    ensure!(status["phase"] == "Completed", "{kind} {name}: {status}");
    let (started, completed) = (&status["startTimestamp"], &status["completionTimestamp"]);
    ensure!(started.is_string() && completed.is_string(), "{status}");
    let all = stage.cluster.get(&["-n", NAMESPACE, &format!("{kind}s.velero.io")])?;
    ensure!(all["items"].as_array().is_some_and(|items| items.len() == 1), "{all}");
    Ok(object)
}

#[test]
fn an_upgrade_in_the_middle_of_a_backup_and_of_a_restore_lets_both_end_well_and_once() -> Result<()> {
    let Some(stage) = Stage::enter("an upgrade in the middle of a backup and a restore")? else {
        return Ok(());
    };
    stage.import_former(FORMER)?;
    let bowline = stage.install(&["--image", FORMER])?;
    let hooks = json!({
        "pre.hook.backup.velero.io/command": LONG_HOOK, "pre.hook.backup.velero.io/timeout": "60s",
        "post.hook.restore.velero.io/command": LONG_HOOK, "post.hook.restore.velero.io/exec-timeout": "60s",
        "post.hook.restore.velero.io/wait-for-ready": "true",
    });
    let application = Application::run(&stage, "upgraded", &hooks)?;

    bowline.ok(&["backup", "create", "b", "--include-namespaces", &application.namespace])?;
    until_begun(&application)?;
    upgrade(&stage, IMAGE)?;
    ended_well_once(&bowline, &stage, "backup", "b")?;
    let log = bowline.ok(&["backup", "logs", "b"])?;
    ensure!(log.contains("level=info"), "{log}");

    // The former build again, so that the restore too begins with it.
    upgrade(&stage, FORMER)?;
    application.lose()?;
    bowline.ok(&["restore", "create", "r", "--from-backup", "b"])?;
    until_begun(&application)?;
    upgrade(&stage, IMAGE)?;
    let restore = ended_well_once(&bowline, &stage, "restore", "r")?;
    ensure!(restore["status"].get("errors").is_none_or(|errors| errors == 0), "{restore}");
    application.is_running()?;

    application.lose()?;
    stage.uninstall(&bowline)
}

#[test]
fn a_server_with_live_pods_is_adopted_and_given_back() -> Result<()> {
    let Some(stage) = Stage::enter("a server with live pods is adopted")? else { return Ok(()) };
    stage.import(VELEROS)?;
    let bowline = stage.install(&["--image", VELEROS])?;
    let application = Application::run(&stage, "adopted", &json!({}))?;
    let namespaces = ["--include-namespaces", &application.namespace];
    bowline.ok(&[&["backup", "create", "before", "--wait"][..], &namespaces].concat())?;
    bowline.ok(&[&["schedule", "create", "nightly", "--schedule", "0 1 * * *"][..], &namespaces].concat())?;

    bowline.ok(&["install", "--adopt", "--image", IMAGE, "--wait"])?;
    ensure!(image_of_the_server(&stage)? == IMAGE, "{}", image_of_the_server(&stage)?);
    stage.wait_for_the_location()?;
    let table = bowline.ok(&["schedule", "get"])?;
    ensure!(table.contains("nightly") && table.contains("Enabled"), "{table}");
    // What was saved before is restored after.
    application.lose()?;
    bowline.ok(&["restore", "create", "r", "--from-backup", "before", "--wait"])?;
    bowline.expect_completed("restore", "r")?;
    application.is_running()?;
    bowline.ok(&["backup", "create", "after", "--from-schedule", "nightly", "--wait"])?;
    bowline.expect_completed("backup", "after")?;

    bowline.ok(&["install", "--adopt", "--image", VELEROS, "--wait"])?;
    ensure!(image_of_the_server(&stage)? == VELEROS, "{}", image_of_the_server(&stage)?);
    bowline.ok(&["backup", "logs", "after"])?;
    application.lose()?;
    stage.uninstall(&bowline)
}

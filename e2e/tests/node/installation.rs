//! Bowline's image, installed by the command line: an application is saved, lost and runs again; nothing is left of an installation.

use anyhow::{Context as _, Result, ensure};
use bowline_e2e::{Bowline, location};
use serde_json::json;

use crate::application::{Application, SHELL};
use crate::stage::{NAMESPACE, Stage};

#[test]
fn an_application_that_was_lost_runs_again() -> Result<()> {
    let Some(stage) = Stage::enter("an application that was lost runs again")? else { return Ok(()) };
    // The least rights and two servers: what is the hardest to install.
    let bowline = stage.install(&["--rbac", "minimal", "--replicas", "2"])?;
    let application = Application::run(&stage, "lost", &json!({}))?;

    bowline.ok(&["backup", "create", "b", "--include-namespaces", &application.namespace, "--wait"])?;
    bowline.expect_completed("backup", "b")?;
    application.lose()?;
    bowline.ok(&["restore", "create", "r", "--from-backup", "b", "--wait"])?;
    bowline.expect_completed("restore", "r")?;
    application.is_running()?;

    application.lose()?;
    stage.uninstall(&bowline)
}

#[test]
fn files_come_through_the_api_server_where_the_bucket_cannot_be_reached() -> Result<()> {
    let Some(stage) = Stage::enter("files come through the API server")? else { return Ok(()) };
    let bowline = stage.install(&[])?;
    let application = Application::run(&stage, "around", &json!({}))?;
    // Nothing can listen on port 0.
    let config = format!("{},publicUrl=http://127.0.0.1:0", location::s3_config(stage.cluster)?);
    let elsewhere = [
        "backup-location",
        "create",
        "elsewhere",
        "--provider",
        "aws",
        "--bucket",
        "bowline",
        "--prefix",
        "elsewhere",
    ];
    bowline.ok(&[&elsewhere[..], &["--config", &config]].concat())?;
    stage.wait("backupstoragelocation/elsewhere", NAMESPACE, "jsonpath={.status.phase}=Available")?;

    let create =
        ["backup", "create", "around", "--storage-location", "elsewhere", "--wait", "--include-namespaces"];
    bowline.ok(&[&create[..], &[&application.namespace]].concat())?;
    let log = bowline.ok(&["backup", "logs", "around"])?;
    ensure!(log.contains("level=info"), "that is no log: {log}");
    let archive = stage.cluster.dir().join("around.tar.gz").display().to_string();
    bowline.ok(&["backup", "download", "around", "--output", &archive])?;
    let listed = bowline.shell(&format!("tar tzf {archive}"))?.ok()?;
    ensure!(listed.contains("resources/deployments.apps/"), "that is no backup: {listed}");

    application.lose()?;
    stage.uninstall(&bowline)
}

#[test]
fn plugins_are_added_to_the_deployment_and_removed() -> Result<()> {
    let Some(stage) = Stage::enter("plugins are added and removed")? else { return Ok(()) };
    let bowline = stage.install(&[])?;
    let containers = || -> Result<String> {
        let deployment = stage.cluster.get(&["-n", NAMESPACE, "deployment", "velero"])?;
        Ok(deployment["spec"]["template"]["spec"]["initContainers"].to_string())
    };

    bowline.ok(&["plugin", "add", SHELL, "--confirm"])?;
    let added = containers()?;
    ensure!(added.contains(SHELL) && added.contains("/target"), "{added}");
    // The pod with the new init container starts; busybox's shell ends at once and well.
    stage
        .cluster
        .kubectl(["rollout", "status", "deployment/velero", "-n", NAMESPACE, "--timeout=60s"])?
        .ok()?;
    bowline.ok(&["plugin", "remove", SHELL])?;
    let left = containers().context("read the deployment")?;
    ensure!(!left.contains(SHELL), "{left}");
    stage.uninstall(&bowline)
}

#[test]
fn an_installation_that_got_no_further_than_its_namespace_can_be_removed() -> Result<()> {
    let Some(stage) = Stage::enter("a namespace without a server is removed")? else { return Ok(()) };
    stage.cluster.kubectl(["create", "namespace", NAMESPACE])?.ok()?;
    stage.uninstall(&stage.bowline()?)?;

    // No other namespace is taken for the server's.
    stage.cluster.kubectl(["create", "namespace", "application"])?.ok()?;
    Bowline::new(stage.cluster, "application")?.ok(&["uninstall", "--force"])?;
    stage.cluster.kubectl(["get", "namespace", "application"])?.ok()?;
    stage.cluster.kubectl(["delete", "namespace", "application"])?.ok().map(drop)
}

//! Hooks that are executed in running containers (behaviour §6.9, §7.13).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::application::{Application, SHELL, command_leaving, leaving};
use crate::stage::{NAMESPACE, Stage};

const LIMIT: Duration = Duration::from_mins(2);

/// Makes a Backup or Restore with this spec and gives it when it has ended.
fn done(stage: &Stage, kind: &str, name: &str, spec: &Value) -> Result<Value> {
    let metadata = json!({"name": name, "namespace": NAMESPACE});
    stage.cluster.apply(
        &json!({"apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata, "spec": spec}).to_string(),
    )?;
    stage.bowline()?.ended(&kind.to_lowercase(), name, LIMIT)
}

/// An error unless the phase and the counts of hooks are these.
fn expect(object: &Value, phase: &str, attempted: u64, failed: Option<u64>) -> Result<()> {
    let status = &object["status"];
    let counts = &status["hookStatus"];
    ensure!(
        status["phase"] == phase
            && counts["hooksAttempted"] == attempted
            && counts["hooksFailed"].as_u64().filter(|count| *count > 0) == failed,
        "{phase} with {attempted} hooks was expected, {failed:?} failed: {status}"
    );
    Ok(())
}

#[test]
fn hooks_run_in_the_containers_of_pods() -> Result<()> {
    let Some(stage) = Stage::enter("hooks run in the containers of pods")? else { return Ok(()) };
    let bowline = stage.install(&[])?;
    annotated(&stage)?;
    specified(&stage)?;
    failing(&stage)?;
    stage.uninstall(&bowline)
}

/// All four kinds of hooks by annotation.
fn annotated(stage: &Stage) -> Result<()> {
    let annotations = json!({
        "pre.hook.backup.velero.io/command": leaving("before"),
        "post.hook.backup.velero.io/command": leaving("after"),
        "post.hook.backup.velero.io/container": "web",
        "init.hook.restore.velero.io/container-image": SHELL,
        "init.hook.restore.velero.io/container-name": "first",
        "init.hook.restore.velero.io/command": r#"["true"]"#,
        "post.hook.restore.velero.io/command": leaving("restored"),
        "post.hook.restore.velero.io/wait-for-ready": "true",
    });
    let application = Application::run(stage, "annotated", &annotations)?;
    let backup = done(stage, "Backup", "annotated", &json!({"includedNamespaces": [application.namespace]}))?;
    expect(&backup, "Completed", 2, None)?;
    ensure!(application.trace()? == ["before", "after"], "{:?}", application.trace()?);

    application.lose()?;
    let restore = done(stage, "Restore", "annotated", &json!({"backupName": "annotated"}))?;
    expect(&restore, "Completed", 1, None)?;
    application.is_running()?;
    ensure!(application.trace()? == ["restored"], "{:?}", application.trace()?);
    let pod = application.pod()?;
    let first = &pod["status"]["initContainerStatuses"][0];
    ensure!(first["name"] == "first" && first["state"]["terminated"]["exitCode"] == 0, "{first}");
    application.lose()
}

/// The same by the specs of backup and restore; the init container writes where the application reads.
fn specified(stage: &Stage) -> Result<()> {
    let application = Application::run(stage, "specified", &json!({}))?;
    let exec = |line| json!({"exec": {"container": "web", "command": command_leaving(line), "onError": "Fail", "timeout": "20s"}});
    let hooks = json!({"name": "traces", "includedNamespaces": [application.namespace], "labelSelector": {"matchLabels": {"app": "web"}},
        "pre": [exec("first"), exec("second")], "post": [exec("third")]});
    let spec = json!({"includedNamespaces": [application.namespace], "hooks": {"resources": [hooks]}});
    expect(&done(stage, "Backup", "specified", &spec)?, "Completed", 3, None)?;
    ensure!(application.trace()? == ["first", "second", "third"], "{:?}", application.trace()?);

    application.lose()?;
    let container = json!({"name": "filler", "image": SHELL, "command": command_leaving("filled"),
        "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    let after = json!({"exec": {"command": command_leaving("executed"), "waitTimeout": "1m", "execTimeout": "20s", "onError": "Fail"}});
    let hooks = json!({"name": "traces", "includedNamespaces": [application.namespace],
        "postHooks": [{"init": {"initContainers": [container]}}, after]});
    let spec = json!({"backupName": "specified", "hooks": {"resources": [hooks]}});
    expect(&done(stage, "Restore", "specified", &spec)?, "Completed", 1, None)?;
    application.is_running()?;
    ensure!(application.trace()? == ["filled", "executed"], "{:?}", application.trace()?);
    application.lose()
}

/// A hook without an end is stopped at its deadline; what failed keeps its pod out only when it says so.
fn failing(stage: &Stage) -> Result<()> {
    let hook = |command: &str, on_error: &str| json!({"pre.hook.backup.velero.io/command": command, "pre.hook.backup.velero.io/timeout": "2s", "pre.hook.backup.velero.io/on-error": on_error});
    let sleeping = Application::run(stage, "sleeping", &hook(r#"["sleep", "1000"]"#, "Continue"))?;
    let started = Instant::now();
    let backup = done(stage, "Backup", "sleeping", &json!({"includedNamespaces": [sleeping.namespace]}))?;
    ensure!(started.elapsed() < Duration::from_secs(30), "the hook's deadline was not kept");
    expect(&backup, "PartiallyFailed", 1, Some(1))?;
    ensure!(stored(stage, "sleeping")?.contains("v1/Pod"), "a hook that may fail has kept its pod out");
    sleeping.lose()?;

    let strict = Application::run(stage, "strict", &hook(r#"["false"]"#, "Fail"))?;
    let backup = done(stage, "Backup", "strict", &json!({"includedNamespaces": [strict.namespace]}))?;
    expect(&backup, "PartiallyFailed", 1, Some(1))?;
    ensure!(
        !stored(stage, "strict")?.contains("v1/Pod"),
        "a hook that must not fail has failed, and its pod is stored"
    );
    strict.lose()
}

/// What `describe` says about the objects of a backup.
fn stored(stage: &Stage, backup: &str) -> Result<String> {
    stage.bowline()?.ok(&["backup", "describe", backup, "--details"])
}

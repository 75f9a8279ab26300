//! The Helm chart: what it renders, what it refuses, and that it installs a server that works.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use bowline_e2e::helm::{CHART, helm};
use bowline_e2e::location;
use serde_json::json;

use crate::application::Application;
use crate::stage::{IMAGE, NAMESPACE, Stage};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/chart").join(name)
}

fn full() -> String {
    testdata("full.yaml").display().to_string()
}

#[test]
fn helm_has_nothing_against_the_chart() -> Result<()> {
    for values in [&[][..], &["--values", &full()]] {
        helm(None, &[&["lint", "--strict", CHART], values].concat())?.ok()?;
    }
    Ok(())
}

#[test]
fn the_chart_renders_what_was_reviewed() -> Result<()> {
    let full = full();
    for (name, values) in [("default", &[][..]), ("full", &["--values", &full])] {
        let render = ["template", "bowline", CHART, "--namespace", NAMESPACE];
        let rendered = helm(None, &[&render[..], values].concat())?.ok()?;
        let golden = testdata(&format!("{name}.rendered.yaml"));
        if std::fs::read_to_string(&golden).ok().as_ref() != Some(&rendered) {
            let new = golden.with_extension("yaml.new");
            std::fs::write(&new, rendered)?;
            bail!(
                "look at the difference, and rename if it is right: {} {}",
                golden.display(),
                new.display()
            );
        }
    }
    Ok(())
}

#[test]
fn values_without_effect_are_refused() -> Result<()> {
    for (value, said) in [
        ("nodeAgents.enabled=true", "nodeAgents"),
        ("configuration.defaultBackupTTL=10days", "defaultBackupTTL"),
        ("replicas=many", "replicas"),
        ("configuration.backupStorageLocation[0].bucket=b", "provider"),
        ("schedules.daily.template.ttl=1h", "schedule"),
        ("serviceAccount.server.create=false", "serviceAccount.server.name is needed"),
    ] {
        let refusal = helm(None, &["template", "bowline", CHART, "--set", value])?.refused(1)?;
        ensure!(refusal.contains(said), "{value}: {refusal}");
    }
    Ok(())
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() -> Result<()> {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/server/src/metrics");
    let read = |path: String| std::fs::read_to_string(&path).with_context(|| format!("read {path}"));
    let code = read(format!("{sources}.rs"))? + &read(format!("{sources}/own.rs"))?;
    let asked = read(format!("{CHART}/alerts.yaml"))? + &read(format!("{CHART}/dashboards/bowline.json"))?;
    let words = asked.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: BTreeSet<&str> =
        words.filter(|word| word.starts_with("velero_") || word.starts_with("bowline_")).collect();
    ensure!(names.len() > 10, "{names:?}");
    for name in names {
        let own =
            name.trim_start_matches("velero_").trim_start_matches("bowline_").trim_end_matches("_bucket");
        ensure!(code.contains(&format!("{own}\"")), "the server has no metric {name}");
    }
    Ok(())
}

#[test]
fn the_chart_installs_a_server_that_saves_and_restores() -> Result<()> {
    let Some(stage) = Stage::enter("the chart installs a server")? else { return Ok(()) };
    let cluster = stage.cluster;
    let keys = std::fs::read_to_string(stage.credentials()?)?;
    let config: serde_json::Map<_, _> = location::s3_config(cluster)?
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    let (repository, tag) = IMAGE.rsplit_once(':').context("the image has no tag")?;
    let values = json!({
        "image": {"repository": repository, "tag": tag}, "resources": {"requests": {"cpu": "0"}},
        "rbac": {"clusterAdministrator": false}, "credentials": {"secretContents": {"cloud": keys}},
        "configuration": {"backupStorageLocation": [
            {"name": "default", "provider": "aws", "bucket": "bowline", "prefix": "chart", "default": true, "config": config}]},
        "schedules": {"never": {"schedule": "0 0 30 2 *", "template": {"includedNamespaces": ["none"]}}},
    });
    let path = cluster.dir().join("values.json");
    std::fs::write(&path, values.to_string())?;
    let install = ["upgrade", "--install", "bowline", CHART, "--namespace", NAMESPACE, "--create-namespace"];
    let values = path.display().to_string();
    let install = [&install[..], &["--wait", "--timeout", "90s", "--values", &values]].concat();
    helm(Some(cluster), &install)?.ok()?;
    stage.wait_for_the_location()?;

    let bowline = stage.bowline()?;
    let application = Application::run(&stage, "charted", &json!({}))?;
    bowline.ok(&["backup", "create", "b", "--include-namespaces", &application.namespace, "--wait"])?;
    bowline.expect_completed("backup", "b")?;
    // The same again, as an upgrade.
    helm(Some(cluster), &install)?.ok()?;
    application.lose()?;
    bowline.ok(&["restore", "create", "r", "--from-backup", "b", "--wait"])?;
    bowline.expect_completed("restore", "r")?;
    application.is_running()?;

    application.lose()?;
    helm(Some(cluster), &["uninstall", "bowline", "--namespace", NAMESPACE, "--wait"])?.ok()?;
    // Helm waits for its own objects; the pods of its Deployment go a little later.
    let pods = ["wait", "pod", "-l", "app.kubernetes.io/managed-by=Helm", "--for=delete", "--timeout=90s"];
    cluster.kubectl_reading(&[&["-n", NAMESPACE], &pods[..]].concat(), "")?.ok()?;
    let helms = ["get", "all,secrets,schedules", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name"];
    let left = cluster.kubectl_reading(&[&["-n", NAMESPACE], &helms[..]].concat(), "")?.ok()?;
    ensure!(left.trim().is_empty(), "{left}");
    // Definitions and what Bowline made itself are not Helm's.
    stage.clear()
}

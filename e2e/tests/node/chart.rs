//! The Helm chart: what it renders, what it refuses, and that it installs a server that works.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bowline_e2e::helm::{CHART, helm};
use bowline_e2e::location;
use serde_json::json;

use crate::application::Application;
use crate::changeover::until_begun;
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
        ("configuration.tracingEndpoint=collector:4318", "tracingEndpoint"),
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

/// A value that each setting of `configuration` takes, told by what the schema says of it.
fn taken(schema: &serde_json::Value) -> Option<String> {
    if let Some(words) = schema["enum"].as_array() {
        return words.first()?.as_str().map(str::to_owned);
    }
    let kinds = schema["type"].as_array()?;
    let is = |kind: &str| kinds.iter().any(|one| one == kind);
    let value = match schema["pattern"].as_str() {
        Some(pattern) if pattern.contains("https?") => "http://collector:4318",
        Some(_) => "90m",
        None if is("integer") || is("number") => "1000000",
        None if is("boolean") => "true",
        None => "text",
    };
    Some(value.to_owned())
}

#[test]
fn every_value_of_the_configuration_is_a_flag_of_the_server() -> Result<()> {
    let schema = std::fs::read_to_string(format!("{CHART}/values.schema.json")).context("read the schema")?;
    let schema: serde_json::Value = serde_json::from_str(&schema).context("parse the schema")?;
    let settings = &schema["properties"]["configuration"]["properties"];
    let settings = settings.as_object().context("the schema has no settings")?;
    let flags: Vec<(&str, String)> =
        settings.iter().filter_map(|(name, schema)| Some((&**name, taken(schema)?))).collect();
    ensure!(flags.len() > 20, "{flags:?}");
    let values = flags.iter().map(|(name, value)| format!("configuration.{name}={value}"));
    let values = values.collect::<Vec<_>>().join(",");
    let rendered = helm(None, &["template", "bowline", CHART, "--set", &values])?.ok()?;
    let arguments: Vec<&str> =
        rendered.lines().filter_map(|line| line.trim().strip_prefix("- \"--")?.strip_suffix('"')).collect();
    ensure!(arguments.len() == flags.len(), "{arguments:?}");
    ensure!(arguments.contains(&"client-page-size=1000000"), "{arguments:?}");
    ensure!(arguments.contains(&"tracing-endpoint=http://collector:4318"), "{arguments:?}");

    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/cli.md");
    let page = std::fs::read_to_string(page).context("read the reference")?;
    let server = page.split("\n## bowline server\n").nth(1).context("the server is not in the reference")?;
    let server = server.split("\n## ").next().unwrap_or_default();
    // Flags of every command are told before the first one.
    let known = page.split("\n## bowline ").next().unwrap_or_default().to_owned() + server;
    for argument in arguments {
        let flag = argument.split('=').next().unwrap_or_default();
        ensure!(known.contains(&format!("`--{flag} ")) || known.contains(&format!("`--{flag}`")), "{flag}");
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
fn every_alert_and_every_panel_is_told_in_the_documents() -> Result<()> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(page).context("read metrics.md")?;
    let alerts = std::fs::read_to_string(format!("{CHART}/alerts.yaml")).context("read the alerts")?;
    let alerts = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let dashboard = std::fs::read_to_string(format!("{CHART}/dashboards/bowline.json"))?;
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).context("read the dashboard")?;
    let panels = dashboard["panels"].as_array().context("the dashboard has no panels")?.iter();
    let names: Vec<&str> = alerts.chain(panels.filter_map(|panel| panel["title"].as_str())).collect();
    ensure!(names.len() > 15, "{names:?}");
    for name in names {
        ensure!(page.contains(&format!("| {name} |")) || page.contains(&format!("| `{name}` |")), "{name}");
    }
    Ok(())
}

/// Installs or upgrades the chart, with backups below this prefix and these further values.
fn install(stage: &Stage, prefix: &str, further: &[&str]) -> Result<()> {
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
            {"name": "default", "provider": "aws", "bucket": "bowline", "prefix": prefix, "default": true, "config": config}]},
        "schedules": {"never": {"schedule": "0 0 30 2 *", "template": {"includedNamespaces": ["none"]}}},
    });
    let path = cluster.dir().join("values.json");
    std::fs::write(&path, values.to_string())?;
    let install = ["upgrade", "--install", "bowline", CHART, "--namespace", NAMESPACE, "--create-namespace"];
    let values = path.display().to_string();
    let waiting = ["--wait", "--timeout", "90s", "--values", &values];
    helm(Some(cluster), &[&install[..], &waiting, further].concat())?.ok().map(drop)
}

/// Uninstalls the chart, and sees that nothing of Helm's is left.
fn uninstall(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster;
    helm(Some(cluster), &["uninstall", "bowline", "--namespace", NAMESPACE, "--wait"])?.ok()?;
    // Helm waits for its own objects; the pods of its Deployment go a little later.
    let pods = ["wait", "pod", "-l", "app.kubernetes.io/managed-by=Helm", "--for=delete", "--timeout=90s"];
    cluster.kubectl_reading(&[&["-n", NAMESPACE], &pods[..]].concat(), "")?.ok()?;
    let helms = ["get", "all,secrets", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name"];
    let left = cluster.kubectl_reading(&[&["-n", NAMESPACE], &helms[..]].concat(), "")?.ok()?;
    ensure!(left.trim().is_empty(), "{left}");
    Ok(())
}

#[test]
fn the_chart_installs_a_server_that_saves_and_restores() -> Result<()> {
    let Some(stage) = Stage::enter("the chart installs a server")? else { return Ok(()) };
    install(&stage, "chart", &[])?;
    stage.wait_for_the_location()?;

    let bowline = stage.bowline()?;
    let application = Application::run(&stage, "charted", &json!({}))?;
    bowline.ok(&["backup", "create", "b", "--include-namespaces", &application.namespace, "--wait"])?;
    bowline.expect_completed("backup", "b")?;
    // The same again, as an upgrade.
    install(&stage, "chart", &[])?;
    application.lose()?;
    bowline.ok(&["restore", "create", "r", "--from-backup", "b", "--wait"])?;
    bowline.expect_completed("restore", "r")?;
    application.is_running()?;

    application.lose()?;
    uninstall(&stage)?;
    let left = stage.cluster.kubectl(["get", "schedules.velero.io", "-n", NAMESPACE, "-o", "name"])?.ok()?;
    ensure!(left.trim().is_empty(), "{left}");
    // Definitions and what Bowline made itself are not Helm's.
    stage.clear()
}

/// Name of the pod whose server works.
fn leader(stage: &Stage) -> Result<String> {
    let lease = stage.cluster.get(&["-n", NAMESPACE, "lease", "bowline"])?;
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    Ok(holder.split('_').next().unwrap_or_default().to_owned())
}

#[test]
fn the_charts_other_server_takes_over_and_its_jobs_keep_and_remove_the_definitions() -> Result<()> {
    let Some(stage) = Stage::enter("the chart's other server takes over")? else { return Ok(()) };
    let cluster = stage.cluster;
    install(&stage, "two", &["--set", "cleanUpCRDs=true"])?;
    stage.wait_for_the_location()?;
    let bowline = stage.bowline()?;
    let hook = json!({
        "pre.hook.backup.velero.io/command": r#"["sh", "-c", "echo begun >>/data/trace; sleep 10"]"#,
        "pre.hook.backup.velero.io/timeout": "60s",
    });
    let application = Application::run(&stage, "two", &hook)?;

    bowline.ok(&["backup", "create", "b", "--include-namespaces", &application.namespace])?;
    until_begun(&application)?;
    let first = leader(&stage)?;
    cluster.kubectl(["delete", "pod", &first, "-n", NAMESPACE, "--grace-period=0", "--force"])?.ok()?;
    let ended = bowline.ended("backup", "b", Duration::from_mins(2))?;
    ensure!(ended["status"]["phase"] == "Completed", "{}", ended["status"]);
    let second = leader(&stage)?;
    ensure!(second != first && !second.is_empty(), "{first} and then {second}");

    // A definition that somebody has changed is brought up to date by the next upgrade.
    let columns = || -> Result<serde_json::Value> {
        let definition = cluster.get(&["customresourcedefinition", "backups.velero.io"])?;
        Ok(definition["spec"]["versions"][0]["additionalPrinterColumns"].clone())
    };
    let before = columns()?;
    let removal = r#"[{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns"}]"#;
    let patch = ["patch", "customresourcedefinition", "backups.velero.io", "--type=json", "--patch", removal];
    cluster.kubectl(patch)?.ok()?;
    ensure!(columns()?.is_null() && before.is_array(), "{before}");
    install(&stage, "two", &["--set", "cleanUpCRDs=true"])?;
    ensure!(columns()? == before, "{}", columns()?);

    application.lose()?;
    uninstall(&stage)?;
    let left = cluster.kubectl(["get", "customresourcedefinitions", "-o", "name"])?.ok()?;
    ensure!(!left.contains("velero.io"), "{left}");
    stage.clear()
}

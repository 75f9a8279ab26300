//! What would happen, and what has changed: `restore create --dry-run` and `backup diff`, against what then happens.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::stage::{CONTENT, Scenario, set};

/// Kubernetes makes these in every new namespace, sometimes before a restore comes to them and sometimes after.
const OF_EVERY_NAMESPACE: [&str; 2] = ["/kube-root-ca.crt(", "/default("];

/// A backup of a namespace in which one object was changed and one deleted afterwards, and a file with its place.
fn changed(purpose: &str) -> Result<(Scenario, String)> {
    let scenario = Scenario::new(purpose)?;
    let namespace = scenario.namespace("first")?;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "over", "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "none"}]}});
    scenario.apply(&[pod])?;
    let ended = json!({"status": {"phase": "Succeeded"}}).to_string();
    let patch =
        ["-n", &namespace, "patch", "pod", "over", "--subresource=status", "--type=merge", "-p", &ended];
    scenario.cluster.kubectl(patch)?.ok()?;
    scenario.back_up(&["--include-namespaces", &namespace])?;
    change(&scenario, &namespace)?;
    Ok((scenario, namespace))
}

fn change(scenario: &Scenario, namespace: &str) -> Result<()> {
    let patch = json!({"data": {"colour": "red", "later": "yes"}}).to_string();
    let arguments = ["-n", namespace, "patch", "configmap", "settings", "--type=merge", "-p", &patch];
    scenario.cluster.kubectl(arguments)?.ok()?;
    scenario.delete(&["-n", namespace, "secret", "keys"])
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| text.to_owned())
}

/// What the resource list of the restore must hold when it does what was planned: `v1/Secret ns/keys(created)`.
fn foretold(plan: &Value) -> BTreeSet<String> {
    let items = plan["items"].as_array().into_iter().flatten();
    items
        .filter_map(|item| {
            let text = |field: &str| item[field].as_str().unwrap_or_default();
            let reason = text("reason");
            let word = match text("action") {
                "create" => "created",
                "update" => "updated",
                "skip" if reason.contains("run to its end") => return None,
                "skip" if !reason.contains("differs") => "skipped",
                _ => "failed",
            };
            let place =
                if text("namespace").is_empty() { String::new() } else { format!("{}/", text("namespace")) };
            Some(format!("{}/{} {place}{}({word})", text("apiVersion"), text("kind"), text("name")))
        })
        .collect()
}

/// The same of a described restore.
fn told(described: &Value) -> BTreeSet<String> {
    let kinds = described["status"]["resourceList"].as_object().into_iter().flatten();
    kinds
        .flat_map(|(kind, lines)| {
            lines
                .as_array()
                .into_iter()
                .flatten()
                .map(move |line| format!("{kind} {}", line.as_str().unwrap_or_default()))
        })
        .collect()
}

fn agree(plan: &Value, described: &Value) -> Result<()> {
    let lasting = |lines: BTreeSet<String>| -> BTreeSet<String> {
        let passing = |line: &String| OF_EVERY_NAMESPACE.iter().any(|part| line.contains(part));
        lines.into_iter().filter(|line| !passing(line)).collect()
    };
    let (planned, done) = (lasting(foretold(plan)), lasting(told(described)));
    ensure!(!planned.is_empty(), "nothing was planned: {plan:#}");
    ensure!(planned == done, "planned: {planned:#?}\ndone: {done:#?}");
    let messages = |level: &str| {
        let findings = plan["findings"].as_array().into_iter().flatten();
        findings.filter(|finding| finding["level"] == level).count() as u64
    };
    let count = |set: &Value| -> u64 {
        let namespaces = set["namespaces"].as_object().into_iter().flatten().map(|(_, lines)| lines);
        let lists = [&set["velero"], &set["cluster"]].into_iter().chain(namespaces);
        lists.map(|lines| lines.as_array().map_or(0, |lines| lines.len() as u64)).sum()
    };
    for (level, key) in [("error", "errors"), ("warning", "warnings")] {
        ensure!(messages(level) == count(&described[key]), "{level}: {plan:#}\n{described:#}");
    }
    Ok(())
}

#[test]
fn a_plan_of_the_server_is_what_the_restore_then_does() -> Result<()> {
    for policy in ["none", "update"] {
        let (scenario, namespace) = changed(&format!("planned-{policy}"))?;
        let versions = || scenario.cluster.get(&["-n", &namespace, "configmaps,serviceaccounts"]);
        let (content, before) = (scenario.content(&namespace)?, versions()?);
        let flags = ["--existing-resource-policy", policy];
        let create = ["restore", "create", "--from-backup", &scenario.name, "--dry-run=server", "-o", "json"];
        let plan = parsed(&scenario.bowline.ok(&[&create[..], &flags].concat())?)?;
        ensure!(
            scenario.content(&namespace)? == content && versions()? == before,
            "the plan changed something"
        );

        scenario.restore("r", &flags)?;
        let describe = ["restore", "describe", &scenario.named("r"), "--details", "-o", "json"];
        agree(&plan, &parsed(&scenario.bowline.ok(&describe)?)?)?;
        ensure!(scenario.content(&namespace)? == set(CONTENT), "{:?}", scenario.content(&namespace)?);
    }
    Ok(())
}

#[test]
fn a_plan_without_a_server_is_what_the_restore_then_does() -> Result<()> {
    let (scenario, namespace) = changed("planned-alone")?;
    let place = scenario.cluster.dir().join(&scenario.name).display().to_string();
    let bowline = scenario.bowline;
    bowline.ok(&["backup", "create", "alone", "--include-namespaces", &namespace, "--to", &place])?;
    scenario.delete(&["-n", &namespace, "configmap", "settings"])?;
    let copy = scenario.named("copy");
    let create = ["restore", "create", "r", "--from", &place, "--from-backup", "alone"];
    let mapping = format!("{namespace}:{copy}");
    for (name, flags) in [("r", vec![]), ("copied", vec!["--namespace-mappings", &mapping])] {
        let create: Vec<&str> = create.iter().map(|word| if *word == "r" { name } else { *word }).collect();
        let planned = |form: &str| bowline.ok(&[&create[..], &flags, &["--dry-run", "-o", form]].concat());
        let plan = parsed(&planned("json")?)?;
        let (table, yaml) = (planned("table")?, planned("yaml")?);
        ensure!(
            table.contains("create")
                && table.contains("settings")
                && table.contains("LEFT OUT") != plan["leftOut"].as_array().is_none_or(Vec::is_empty),
            "{table}"
        );
        ensure!(yaml.contains("action: create") && yaml.contains("name: settings"), "{yaml}");
        ensure!(!scenario.exists(&["namespace", &copy])?, "the plan made a namespace");

        bowline.ok(&[&create[..], &flags].concat())?;
        let describe = ["restore", "describe", name, "--from", &place, "--details", "-o", "json"];
        agree(&plan, &parsed(&bowline.ok(&describe)?)?)?;
    }
    Ok(())
}

#[test]
fn a_backup_is_compared_with_the_cluster_and_with_another_one() -> Result<()> {
    let scenario = Scenario::new("compared")?;
    let namespace = scenario.namespace("first")?;
    scenario.back_up(&["--include-namespaces", &namespace])?;
    let diff = |more: &[&str]| -> Result<Value> {
        let diff = ["backup", "diff", &scenario.name, "-o", "json"];
        parsed(&scenario.bowline.ok(&[&diff[..], more].concat())?)
    };
    // What only the server owns, such as a version or the owner of a field, is no difference.
    let touch = json!({"metadata": {"annotations": {"a": "b"}}}).to_string();
    let undo = json!({"metadata": {"annotations": {"a": null}}}).to_string();
    for patch in [&touch, &undo] {
        let arguments = ["-n", &namespace, "patch", "configmap", "settings", "--type=merge", "-p", patch];
        scenario.cluster.kubectl(arguments)?.ok()?;
    }
    ensure!(diff(&[])?["differences"] == json!([]), "{:#}", diff(&[])?);

    change(&scenario, &namespace)?;
    scenario.apply(&[
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": namespace}}),
    ])?;
    let later = scenario.named("later");
    scenario.bowline.ok(&["backup", "create", &later, "--include-namespaces", &namespace, "--wait"])?;
    for against in ["live", &later] {
        let found = diff(&["--against", against])?;
        let differences: BTreeSet<String> = found["differences"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| format!("{} {}/{}", one["change"], one["resource"], one["name"]).replace('"', ""))
            .collect();
        let expected = ["added configmaps/new", "changed configmaps/settings", "removed secrets/keys"];
        ensure!(differences == set(expected), "{against}: {found:#}");
        let object = format!("configmap/{namespace}/settings");
        let fields = diff(&["--against", against, "--object", &object])?["differences"][0]["fields"].clone();
        let mut fields: Vec<String> =
            fields.as_array().into_iter().flatten().map(ToString::to_string).collect();
        fields.sort();
        let expected = [
            json!({"path": "data.colour", "before": "blue", "after": "red"}),
            json!({"path": "data.later", "after": "yes"}),
        ];
        ensure!(fields == expected.map(|field| field.to_string()), "{against}: {fields:?}");
    }
    Ok(())
}

//! Objects that are saved before others of their kind: Velero's Schedule OrderedResources.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::stage::{Scenario, eventually};

#[test]
fn the_order_is_in_the_schedule_its_backup_and_the_archive() -> Result<()> {
    let scenario = Scenario::new("ordered")?;
    let namespace = scenario.namespace("first")?;
    let named = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    scenario.apply(&[
        named("ConfigMap", "a"),
        named("ConfigMap", "z"),
        named("ConfigMap", "m"),
        named("Secret", "a"),
        named("Secret", "z"),
    ])?;
    let order = format!("configmaps={namespace}/z,{namespace}/m;secrets={namespace}/z");
    let create = ["schedule", "create", &scenario.name, "--schedule", "@every 1h"];
    let what = ["--include-namespaces", &namespace, "--ordered-resources", &order];
    scenario.bowline.ok(&[&create[..], &what].concat())?;
    let expected =
        json!({"configmaps": format!("{namespace}/z,{namespace}/m"), "secrets": format!("{namespace}/z")});
    let schedule = scenario.bowline.object("schedule", &scenario.name)?;
    assert_eq!(schedule["spec"]["template"]["orderedResources"], expected);

    scenario.bowline.ok(&[
        "backup",
        "create",
        &scenario.named("now"),
        "--from-schedule",
        &scenario.name,
        "--wait",
    ])?;
    let backup = scenario.bowline.object("backup", &scenario.named("now"))?;
    assert_eq!(backup["spec"]["orderedResources"], expected);
    let paths = scenario.archive(&scenario.named("now"))?;
    let position = |kind: &str, name: &str| {
        let path = format!("resources/{kind}/namespaces/{namespace}/{name}.json");
        paths.iter().position(|found| *found == path).with_context(|| format!("{path} is not in {paths:?}"))
    };
    assert!(position("configmaps", "z")? < position("configmaps", "m")?);
    assert!(position("configmaps", "m")? < position("configmaps", "a")?);
    assert!(position("secrets", "z")? < position("secrets", "a")?);
    scenario.bowline.ok(&["schedule", "delete", &scenario.name, "--confirm"])?;
    eventually("the schedule is gone", || {
        Ok(!scenario.exists(&["-n", scenario.bowline.namespace(), "schedules.velero.io", &scenario.name])?)
    })
}

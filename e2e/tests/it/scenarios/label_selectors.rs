//! Objects chosen by their labels: Velero's ResourceFiltering LabelSelector, and several selectors of which one must match.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::json;

use super::stage::{Scenario, set};

/// A namespace with a ConfigMap for each of some labels `tier`.
fn tiers(purpose: &str) -> Result<(Scenario, String)> {
    let scenario = Scenario::new(purpose)?;
    let namespace = scenario.namespace("first")?;
    let tier = |name: &str| {
        let metadata = json!({"name": name, "namespace": namespace, "labels": {"tier": name}});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    };
    scenario.apply(&["front", "back", "middle"].map(tier))?;
    Ok((scenario, namespace))
}

/// What is in the copy of the namespace after a backup and a restore with these flags.
fn copied(
    scenario: &Scenario,
    namespace: &str,
    backup: &[&str],
    restore: &[&str],
) -> Result<BTreeSet<String>> {
    scenario.back_up(&[&["--include-namespaces", namespace], backup].concat())?;
    let copy = format!("{namespace}-copy");
    let mappings = format!("{namespace}:{copy}");
    scenario.restore("r", &[&["--namespace-mappings", &mappings], restore].concat())?;
    scenario.content(&copy)
}

#[test]
fn label_selector() -> Result<()> {
    let (scenario, namespace) = tiers("selector")?;
    let flags = ["--selector", "tier in (front, back),tier!=back"];
    assert_eq!(copied(&scenario, &namespace, &flags, &[])?, set(["configmap/front"]));
    Ok(())
}

#[test]
fn label_selector_of_a_restore() -> Result<()> {
    let (scenario, namespace) = tiers("selector-restore")?;
    let flags = ["--selector", "tier=middle"];
    assert_eq!(copied(&scenario, &namespace, &[], &flags)?, set(["configmap/middle"]));
    Ok(())
}

#[test]
fn or_selectors() -> Result<()> {
    let (scenario, namespace) = tiers("or-selectors")?;
    let (backup, restore) = (
        ["--or-selector", "tier=front or tier=back or tier=middle"],
        ["--or-selector", "tier=front or tier=back"],
    );
    let expected = set(["configmap/back", "configmap/front"]);
    assert_eq!(copied(&scenario, &namespace, &backup, &restore)?, expected);
    assert!(!scenario.archive(&scenario.name)?.iter().any(|path| path.ends_with("/settings.json")));
    Ok(())
}

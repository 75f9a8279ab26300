//! Objects that come back in another version of their kind: the five cases of Velero's APIGroup/APIVersion.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::stage::{Installation, Scenario};

/// A kind of which only the first version knows all fields, and every other one the field of its own name, so that an object shows in
/// which version it was saved.
struct Kind {
    scenario: Scenario,
    group: String,
    namespace: String,
}

impl Kind {
    fn new(purpose: &str) -> Result<Self> {
        let scenario = Scenario::on(Installation::with_all_versions()?, purpose);
        let namespace = scenario.namespace("first")?;
        let group = format!("{}.example", scenario.name);
        Ok(Self { scenario, group, namespace })
    }

    fn crd(&self) -> String {
        format!("bands.{}", self.group)
    }

    /// Defines the kind with these versions, of which the first is stored.
    fn define(&self, versions: &[&str], schema: impl Fn(&str) -> Value) -> Result<()> {
        let version = |(index, name): (usize, &&str)| {
            let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": schema(name)}}});
            json!({"name": name, "served": true, "storage": index == 0, "schema": schema})
        };
        let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
        let names = json!({"plural": "bands", "kind": "Band"});
        self.scenario.apply(&[json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": self.crd()},
            "spec": {"group": self.group, "scope": "Namespaced", "names": names, "versions": versions},
        })])?;
        self.scenario.await_definition(&self.crd())
    }

    /// Saves an object of the kind with these versions, and removes it and the kind.
    fn save(&self, versions: &[&str]) -> Result<()> {
        self.define(versions, |name| {
            let known = if name == versions[0] { versions } else { &[name] };
            let mark = |version: &&str| ((*version).to_owned(), json!({"type": "boolean"}));
            json!({"type": "object", "properties": known.iter().map(mark).collect::<Map<_, _>>()})
        })?;
        let api = format!("{}/{}", self.group, versions[0]);
        let metadata = json!({"name": "band", "namespace": self.namespace});
        let spec: Map<_, _> = versions.iter().map(|version| ((*version).to_owned(), json!(true))).collect();
        self.scenario
            .apply(&[json!({"apiVersion": api, "kind": "Band", "metadata": metadata, "spec": spec})])?;
        self.scenario.back_up(&["--include-namespaces", &self.namespace])?;
        self.scenario.delete(&["crd", &self.crd()])
    }

    /// Restores the object where the kind has these versions, which keep whatever fields they get, and gives its fields.
    fn restored(&self, versions: &[&str]) -> Result<Value> {
        self.define(versions, |_| json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}))?;
        self.scenario.restore("r", &[])?;
        self.fields()
    }

    fn fields(&self) -> Result<Value> {
        let band = self.scenario.cluster.get(&["-n", &self.namespace, &self.crd(), "band"])?;
        self.scenario.delete(&["crd", &self.crd()])?;
        Ok(band["spec"].clone())
    }
}

#[test]
fn the_preferred_version_of_both_sides_is_restored() -> Result<()> {
    let kind = Kind::new("versions-preferred")?;
    kind.save(&["v1", "v1alpha1"])?;
    assert_eq!(kind.restored(&["v1", "v2beta1"])?, json!({"v1": true, "v1alpha1": true}));
    Ok(())
}

#[test]
fn a_common_version_that_is_not_preferred_is_restored() -> Result<()> {
    let kind = Kind::new("versions-common")?;
    kind.save(&["v1", "v2beta2", "v2beta1"])?;
    assert_eq!(kind.restored(&["v2beta2", "v2alpha1"])?, json!({"v2beta2": true}));
    Ok(())
}

#[test]
fn without_a_common_version_nothing_is_restored() -> Result<()> {
    let kind = Kind::new("versions-none")?;
    kind.save(&["v1", "v1alpha1"])?;
    kind.define(&["v2beta2", "v2beta1"], |_| json!({"type": "object"}))?;
    let output = kind.scenario.try_restore("r", &[])?;
    assert!(!kind.scenario.exists(&["-n", &kind.namespace, &kind.crd(), "band"])?, "{output:#?}");
    let status = &kind.scenario.bowline.object("restore", &kind.scenario.named("r"))?["status"];
    let findings = ["warnings", "errors"].map(|name| status[name].as_u64().unwrap_or_default());
    assert!(findings.iter().sum::<u64>() > 0, "nothing tells of it: {status}");
    kind.scenario.delete(&["crd", &kind.crd()])
}

#[test]
fn the_order_of_the_user_comes_first() -> Result<()> {
    let kind = Kind::new("versions-chosen")?;
    let order = format!("{}=v3,v2beta1", kind.crd());
    let metadata = json!({"name": "enableapigroupversions", "namespace": kind.scenario.bowline.namespace()});
    kind.scenario.apply(&[json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
        "data": {"restoreResourcesVersionPriority": order}})])?;
    kind.save(&["v1", "v2beta2", "v2beta1"])?;
    assert_eq!(kind.restored(&["v2beta2", "v2beta1"])?, json!({"v2beta1": true}));
    Ok(())
}

#[test]
fn a_kind_that_the_cluster_does_not_know_is_restored_with_its_definition() -> Result<()> {
    let kind = Kind::new("versions-absent")?;
    kind.save(&["v2beta1", "v1"])?;
    kind.scenario.restore("r", &[])?;
    // Of several versions the stable one is preferred, whichever is stored.
    assert_eq!(kind.fields()?["v1"], true);
    Ok(())
}

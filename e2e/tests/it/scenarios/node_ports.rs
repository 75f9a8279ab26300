//! Ports that a cluster gave to Services: Velero's Basic NodePort.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::stage::Scenario;

/// A backup of a Service to which the cluster gave a node port.
struct Stored {
    scenario: Scenario,
    namespace: String,
    port: u64,
}

impl Stored {
    fn new(purpose: &str) -> Result<Self> {
        let scenario = Scenario::new(purpose)?;
        let namespace = scenario.namespace("first")?;
        let spec = json!({"type": "LoadBalancer", "ports": [{"port": 80}]});
        scenario.apply(&[
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace}, "spec": spec}),
        ])?;
        let port = port(&scenario, &namespace)?;
        scenario.back_up(&["--include-namespaces", &namespace])?;
        Ok(Self { scenario, namespace, port })
    }
}

fn port(scenario: &Scenario, namespace: &str) -> Result<u64> {
    let service = scenario.cluster.get(&["-n", namespace, "service", "web"])?;
    service.pointer("/spec/ports/0/nodePort").and_then(Value::as_u64).context("the service has no node port")
}

#[test]
fn a_port_that_is_taken_cannot_be_preserved() -> Result<()> {
    let Stored { scenario, namespace, port } = Stored::new("port-taken")?;
    // The original keeps its port while the copy is made.
    let mappings = format!("{namespace}:{namespace}-copy");
    let output = scenario.try_restore("r", &["--preserve-nodeports", "--namespace-mappings", &mappings])?;
    assert_eq!(scenario.phase("r")?, "PartiallyFailed", "{output:#?}");
    let described = scenario.bowline.ok(&["restore", "describe", &scenario.named("r")])?;
    assert!(described.contains(&port.to_string()) && described.contains("/web"), "{described}");
    assert!(described.contains("restore without --preserve-nodeports"), "{described}");
    assert_eq!(scenario.content(&format!("{namespace}-copy"))?.len(), 3, "the rest is restored");
    Ok(())
}

#[test]
fn without_preservation_a_service_gets_another_port() -> Result<()> {
    let Stored { scenario, namespace, port: original } = Stored::new("port-other")?;
    let copy = format!("{namespace}-copy");
    let mappings = format!("{namespace}:{copy}");
    scenario.restore("r", &["--preserve-nodeports=false", "--namespace-mappings", &mappings])?;
    assert_ne!(port(&scenario, &copy)?, original);
    Ok(())
}

#[test]
fn a_port_that_is_free_is_preserved() -> Result<()> {
    let Stored { scenario, namespace, port: original } = Stored::new("port-free")?;
    scenario.delete(&["-n", &namespace, "service", "web"])?;
    scenario.restore("r", &["--preserve-nodeports"])?;
    assert_eq!(port(&scenario, &namespace)?, original);
    Ok(())
}

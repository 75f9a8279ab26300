//! Who may ask the server for its version: Velero's PrivilegesMgmt SSR.

use anyhow::Result;
use serde_json::{Value, json};

use super::stage::{Scenario, eventually};

#[test]
fn a_request_is_answered_only_in_the_namespace_of_the_server() -> Result<()> {
    let scenario = Scenario::new("server-status")?;
    let elsewhere = scenario.namespace("first")?;
    let own = scenario.bowline.namespace();
    let request = |namespace: &str| {
        let metadata = json!({"name": scenario.name, "namespace": namespace});
        json!({"apiVersion": "velero.io/v1", "kind": "ServerStatusRequest", "metadata": metadata, "spec": {}})
    };
    scenario.apply(&[request(&elsewhere), request(own)])?;
    let status = |namespace: &str| -> Result<Value> {
        let get = ["-n", namespace, "serverstatusrequests.velero.io", &scenario.name];
        Ok(scenario.cluster.get(&get)?["status"].clone())
    };
    eventually("the request is answered", || {
        let status = status(own)?;
        Ok(status["phase"] == "Processed" && status["serverVersion"].is_string())
    })?;
    assert_eq!(status(&elsewhere)?, Value::Null);
    Ok(())
}

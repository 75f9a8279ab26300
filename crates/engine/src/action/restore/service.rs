//! `velero.io/service`: addresses are given out anew; node ports stay where somebody chose them.
//!
//! A port was chosen by hand when the last applied configuration has it, or, without such an annotation, when some manager owns it.

use serde_json::Value;

use super::super::{ActionError, RestoreEffects};
use super::{Pure, changed, list_mut, map_mut, text};

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/service",
    resources: &["services"],
    execute: |service, context| {
        release_addresses(service);
        if context.restore.spec.preserve_node_ports == Some(true) {
            return Ok(RestoreEffects::default());
        }
        let applied = last_applied(service)?;
        release_node_ports(service, applied.as_ref());
        Ok(changed(|| release_health_port(service, applied.as_ref())))
    },
};

const LAST_APPLIED: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

fn last_applied(service: &Value) -> Result<Option<Value>, ActionError> {
    match text(service, LAST_APPLIED) {
        "" => Ok(None),
        applied => serde_json::from_str(applied).map(Some).map_err(|_| {
            ActionError::Failed("the annotation last-applied-configuration is not JSON".to_owned())
        }),
    }
}

fn release_addresses(service: &mut Value) {
    if let Some(spec) =
        map_mut(service, "/spec").filter(|spec| spec.get("clusterIP").and_then(Value::as_str) != Some("None"))
    {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
}

fn release_node_ports(service: &mut Value, applied: Option<&Value>) {
    if text(service, "/spec/type") == "ExternalName" {
        return;
    }
    let owners = service.pointer("/metadata/managedFields").cloned().unwrap_or_default();
    for port in list_mut(service, "/spec/ports").into_iter().flatten() {
        let chosen = match applied {
            Some(applied) => is_applied(port, applied),
            None => is_owned(port, &owners),
        };
        if let Some(port) = port.as_object_mut().filter(|_| !chosen) {
            port.remove("nodePort");
        }
    }
}

/// Named ports are told apart by name, the others by the node port itself.
fn is_applied(port: &Value, applied: &Value) -> bool {
    let list = applied.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    list.filter(|have| number(&have["nodePort"]) > 0).any(|have| match text(port, "/name") {
        "" => have.get("name").is_none() && number(&have["nodePort"]) == number(&port["nodePort"]),
        name => text(have, "/name") == name,
    })
}

fn is_owned(port: &Value, owners: &Value) -> bool {
    let key = format!(r#"k:{{"port":{},"protocol":"{}"}}"#, number(&port["port"]), text(port, "/protocol"));
    let entries = owners.as_array().into_iter().flatten();
    entries
        .filter_map(|entry| entry.pointer("/fieldsV1/f:spec/f:ports"))
        .any(|ports| ports[&key].get("f:nodePort").is_some())
}

fn release_health_port(service: &mut Value, applied: Option<&Value>) {
    let local = text(service, "/spec/externalTrafficPolicy") == "Local"
        && text(service, "/spec/type") == "LoadBalancer";
    let is_applied = applied.is_some_and(|applied| number(&applied["spec"]["healthCheckNodePort"]) != 0);
    let owners = service.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let is_owned =
        owners.into_iter().any(|entry| entry.pointer("/fieldsV1/f:spec/f:healthCheckNodePort").is_some());
    if let Some(spec) = map_mut(service, "/spec").filter(|_| local && !is_applied && !is_owned) {
        spec.remove("healthCheckNodePort");
    }
}

/// A number, also where a hand-written configuration has it as text.
fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ports_after(metadata: &Value, ports: &Value) -> Value {
        let mut service = json!({"metadata": metadata, "spec": {"type": "NodePort", "ports": ports}});
        let applied = last_applied(&service).unwrap();
        release_node_ports(&mut service, applied.as_ref());
        service["spec"]["ports"].take()
    }

    fn applied(ports: &Value) -> Value {
        json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": json!({"spec": {"ports": ports}}).to_string()}})
    }

    #[test]
    fn applied_node_ports_stay_and_others_go() {
        let ports = json!([{"name": "http", "nodePort": 30080, "port": 80}, {"name": "auto", "nodePort": 31894, "port": 81}]);
        let left =
            ports_after(&applied(&json!([{"name": "http", "nodePort": 30080}, {"name": "auto"}])), &ports);
        assert_eq!(
            left,
            json!([{"name": "http", "nodePort": 30080, "port": 80}, {"name": "auto", "port": 81}])
        );
        let unnamed = json!([{"nodePort": 30080, "port": 80}]);
        assert_eq!(ports_after(&applied(&json!([{"nodePort": "30080"}])), &unnamed), unnamed);
        assert_eq!(ports_after(&applied(&json!([{"nodePort": 30081}])), &unnamed), json!([{"port": 80}]));
        assert_eq!(ports_after(&json!({}), &ports)[0].get("nodePort"), None);
    }

    #[test]
    fn owned_node_ports_stay() {
        let owners = json!({"managedFields": [{"fieldsV1": {"f:spec": {"f:ports": {r#"k:{"port":80,"protocol":"TCP"}"#: {"f:nodePort": {}}}}}}]});
        let ports = json!([{"nodePort": 1, "port": 80, "protocol": "TCP"}, {"nodePort": 2, "port": 81, "protocol": "TCP"}]);
        assert_eq!(
            ports_after(&owners, &ports),
            json!([{"nodePort": 1, "port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"}])
        );
    }

    #[test]
    fn addresses_go_except_none() {
        for (address, left) in
            [("10.0.0.1", json!({})), ("None", json!({"clusterIP": "None", "clusterIPs": ["None"]}))]
        {
            let mut service = json!({"spec": {"clusterIP": address, "clusterIPs": [address]}});
            release_addresses(&mut service);
            assert_eq!(service["spec"], left);
        }
    }

    #[test]
    fn the_health_port_of_a_local_load_balancer_goes_unless_chosen() {
        let spec =
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 5});
        for (applied, kept) in [(None, false), (Some(json!({"spec": {"healthCheckNodePort": 5}})), true)] {
            let mut service = json!({"spec": spec});
            release_health_port(&mut service, applied.as_ref());
            assert_eq!(service["spec"].get("healthCheckNodePort").is_some(), kept);
        }
    }
}

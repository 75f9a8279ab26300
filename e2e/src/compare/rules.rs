//! What a restore may change, each with its reason. What no rule names must be as it was.

use serde_json::Value;

use super::Change;

/// A reason why an object may differ after a restore.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The reason, as half a sentence.
    pub reason: &'static str,
    /// Whether it is the reason for a change between two objects (`before`, `after`).
    pub allows: fn(&Change, &Value, &Value) -> bool,
}

/// The rules for an object that was deleted and restored.
pub const RESTORED: &[Rule] = &[
    Rule { reason: "the API server gives every object that it creates a new identity", allows: identity },
    Rule { reason: "a restored object has its name already", allows: generate_name },
    Rule { reason: "the status is the controllers' account of the new object", allows: status },
    Rule { reason: "a restore marks what it created", allows: restore_labels },
    Rule {
        reason: "an owner's uid is new, and references to owners are only set again by controllers",
        allows: owners,
    },
    Rule { reason: "controllers own fields of the new object", allows: other_managers },
    Rule {
        reason: "an object that had one ordinary manager is created in its name, marks included",
        allows: marks_of_the_creator,
    },
    Rule { reason: "a restore makes namespaces itself, before their objects", allows: namespace_managers },
    Rule { reason: "a cluster IP is given out anew", allows: cluster_ip },
    Rule { reason: "a node port that nobody chose is given out anew", allows: node_port },
    Rule { reason: "a claim and its volume are bound anew", allows: binding },
    Rule { reason: "a service account's token is issued for its new uid", allows: service_account_token },
    Rule { reason: "a Job's pods are selected by the Job's new uid", allows: job_uid },
    Rule { reason: "the endpoints controller notes when it looked", allows: endpoints_time },
];

fn identity(change: &Change, _: &Value, _: &Value) -> bool {
    let given = ["uid", "resourceVersion", "creationTimestamp", "generation"];
    change.is_replacement() && given.iter().any(|field| change.is_at(&format!("metadata {field}")))
}

fn generate_name(change: &Change, _: &Value, _: &Value) -> bool {
    change.is_at("metadata generateName") && change.is_removal()
}

fn status(change: &Change, _: &Value, _: &Value) -> bool {
    change.is_at("status **")
}

fn restore_labels(change: &Change, _: &Value, _: &Value) -> bool {
    let labels = ["velero.io/backup-name", "velero.io/restore-name"];
    !change.is_removal() && labels.iter().any(|label| change.is_at(&format!("metadata labels {label}")))
}

fn owners(change: &Change, _: &Value, _: &Value) -> bool {
    let all = change.is_at("metadata ownerReferences") || change.is_at("metadata ownerReferences *");
    change.is_at("metadata ownerReferences * uid") && change.is_replacement() || all && change.is_removal()
}

/// What kube-controller-manager owns depends on how often it had to write; status entries belong to the status.
fn other_managers(change: &Change, _: &Value, _: &Value) -> bool {
    let Some(manager) = change.path.get(2).filter(|_| change.is_at("metadata managedFields **")) else {
        return change.is_at("metadata managedFields") && change.is_addition();
    };
    manager.starts_with("kube-controller-manager ") || manager.ends_with(" status")
}

/// The two labels of the restore and nothing else, where the manager is the only one that ever wrote the object (status aside) and
/// did so by ordinary updates.
fn marks_of_the_creator(change: &Change, before: &Value, _: &Value) -> bool {
    let ordinary = ordinary_managers(before);
    let ([only], Some(owner)) = (ordinary.as_slice(), change.path.get(2)) else { return false };
    let own = *only == owner && owner.contains(" Update") && change.is_addition();
    let Some(added) = change.after.as_ref().filter(|_| own) else { return false };
    let is_mark = |name: &str| ["f:velero.io/backup-name", "f:velero.io/restore-name"].contains(&name);
    let only_marks = |labels: &Value| {
        labels.as_object().is_some_and(|labels| labels.keys().all(|name| name == "." || is_mark(name)))
    };
    if change.is_at("metadata managedFields * f:metadata f:labels *") {
        return change.path.last().is_some_and(|name| is_mark(name));
    }
    change.is_at("metadata managedFields * f:metadata f:labels") && only_marks(added)
        || change.is_at("metadata managedFields * f:metadata")
            && added
                .as_object()
                .is_some_and(|metadata| metadata.len() == 1 && metadata.values().all(only_marks))
}

/// The managers of a canonical object, except those of the status.
fn ordinary_managers(object: &Value) -> Vec<&String> {
    let managers = object.pointer("/metadata/managedFields").and_then(Value::as_object);
    managers.into_iter().flat_map(|all| all.keys()).filter(|name| !name.ends_with(" status")).collect()
}

/// As with Velero, which creates the namespaces that it needs and does not touch them again: the restore's entry is the only one.
fn namespace_managers(change: &Change, before: &Value, after: &Value) -> bool {
    let replaced = ordinary_managers(after) == ["bowline Update v1"];
    kind(before) == "Namespace"
        && change.is_at("metadata managedFields *")
        && !change.is_replacement()
        && replaced
}

fn cluster_ip(change: &Change, before: &Value, after: &Value) -> bool {
    let given = |object: &Value| !matches!(text(object, "/spec/clusterIP"), "" | "None");
    let field = change.is_at("spec clusterIP") || change.is_at("spec clusterIPs *");
    kind(before) == "Service" && change.is_replacement() && field && given(before) && given(after)
}

fn node_port(change: &Change, before: &Value, _: &Value) -> bool {
    let port = change.is_at("spec ports * nodePort") || change.is_at("spec healthCheckNodePort");
    kind(before) == "Service" && change.is_replacement() && port && !is_chosen(change, before)
}

/// Whether a user named this very port: then some manager owns the field.
fn is_chosen(change: &Change, service: &Value) -> bool {
    let managers = service.pointer("/metadata/managedFields").and_then(Value::as_object);
    let specs =
        managers.into_iter().flat_map(|managers| managers.values()).filter_map(|fields| fields.get("f:spec"));
    let mut specs = specs.collect::<Vec<_>>().into_iter();
    let [_, _, position, ..] = change.path.as_slice() else {
        return specs.any(|spec| spec.get("f:healthCheckNodePort").is_some());
    };
    let port = service.pointer(&format!("/spec/ports/{position}"));
    let key = port
        .map(|port| format!(r#"k:{{"port":{},"protocol":{}}}"#, port["port"], port["protocol"]))
        .unwrap_or_default();
    specs.any(|spec| spec.pointer("/f:ports").and_then(|ports| ports.get(&key)?.get("f:nodePort")).is_some())
}

fn binding(change: &Change, before: &Value, _: &Value) -> bool {
    let annotations = ["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"];
    let noted = annotations.iter().any(|name| change.is_at(&format!("metadata annotations {name}")));
    let claim = change.is_at("spec claimRef uid") || change.is_at("spec claimRef resourceVersion");
    match kind(before) {
        "PersistentVolume" => claim || noted,
        "PersistentVolumeClaim" => noted,
        _ => false,
    }
}

fn service_account_token(change: &Change, before: &Value, _: &Value) -> bool {
    let field = ["data token", "metadata annotations kubernetes.io/service-account.uid"];
    let issued = field.iter().any(|field| change.is_at(field)) && change.is_replacement();
    kind(before) == "Secret" && text(before, "/type") == "kubernetes.io/service-account-token" && issued
}

fn job_uid(change: &Change, before: &Value, after: &Value) -> bool {
    let places = ["spec selector matchLabels *", "spec template metadata labels *"];
    let label = change.path.last().is_some_and(|name| name.ends_with("controller-uid"));
    let new = change.after.as_ref().and_then(Value::as_str) == Some(text(after, "/metadata/uid"));
    kind(before) == "Job" && label && new && places.iter().any(|place| change.is_at(place))
}

fn endpoints_time(change: &Change, before: &Value, _: &Value) -> bool {
    let field = change.is_at("metadata annotations endpoints.kubernetes.io/last-change-trigger-time");
    matches!(kind(before), "Endpoints" | "EndpointSlice") && field
}

fn kind(object: &Value) -> &str {
    text(object, "/kind")
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

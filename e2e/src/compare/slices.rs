//! EndpointSlices that controllers made, by what they say instead of by their random names.
//!
//! A restore brings back the slices of the backup, while the controller makes others for the restored Service, and later merges them as it
//! likes. What must be there again is what all slices of a Service say together: its endpoints, its ports, its labels.

use serde_json::{Map, Value, json};

use crate::{ObjectKey, Snapshot};

/// The snapshot with one object for each Service and address type in place of the slices that controllers made for it.
pub(super) fn by_service(snapshot: &Snapshot) -> Snapshot {
    let mut gathered = Snapshot::default();
    for (key, object) in &snapshot.objects {
        match service(object) {
            Some(service) => {
                let name = format!("of {service} ({})", text(object, "/addressType"));
                let whole = gathered.objects.entry(ObjectKey { name: name.clone(), ..key.clone() });
                add(whole.or_insert_with(|| empty(object, &name)), object);
            }
            None => drop(gathered.objects.insert(key.clone(), object.clone())),
        }
    }
    gathered
}

/// The Service for which a controller made this slice.
fn service(object: &Value) -> Option<&str> {
    let labels = object.pointer("/metadata/labels")?;
    let maker = labels.get("endpointslice.kubernetes.io/managed-by")?.as_str()?;
    let made = text(object, "/kind") == "EndpointSlice" && maker.ends_with("-controller.k8s.io");
    labels.get("kubernetes.io/service-name").filter(|_| made)?.as_str()
}

fn empty(slice: &Value, name: &str) -> Value {
    json!({"apiVersion": slice["apiVersion"], "kind": slice["kind"], "addressType": slice["addressType"],
        "metadata": {"name": name, "namespace": slice["metadata"]["namespace"], "labels": Map::new()},
        "endpoints": [], "ports": []})
}

/// Adds what a slice says, unless it is there already.
fn add(whole: &mut Value, slice: &Value) {
    for list in ["endpoints", "ports"] {
        let Some(Value::Array(known)) = whole.get_mut(list) else { continue };
        known.extend(slice[list].as_array().into_iter().flatten().cloned());
        known.sort_by_key(Value::to_string);
        known.dedup();
    }
    if let Some(Value::Object(labels)) = whole.pointer_mut("/metadata/labels") {
        labels.extend(slice["metadata"]["labels"].as_object().cloned().unwrap_or_default());
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

//! Writes to the memory cluster.

use bowline_engine::port::{ClusterError, ObjectRef, Patch, WriteOptions};
use serde_json::{Value, json};

use super::state::{Key, State};

impl State {
    pub(super) fn create(
        &mut self,
        object: &ObjectRef,
        mut body: Value,
        options: &WriteOptions,
    ) -> Result<Value, ClusterError> {
        let mut key = self.locate(object)?;
        if key.2.is_empty() {
            key.2 = generated_name(&body, self.revision() + 1)?;
            body["metadata"]["name"] = key.2.clone().into();
        }
        self.check_namespace(&key)?;
        if self.objects.contains_key(&key) {
            return Err(ClusterError::AlreadyExists {
                message: format!("{} {:?} already exists", key.0, key.2),
            });
        }
        self.check_node_ports(&key, &body)?;
        self.stamp(&key, &mut body, options);
        if options.dry_run {
            return Ok(body);
        }
        self.establish(&mut body);
        self.serve_crd(&body);
        if key.0 == "namespaces" {
            body["status"] = json!({"phase": "Active"});
            self.furnish_namespace(&key.2);
        }
        self.insert(key, body.clone());
        Ok(body)
    }

    /// Fills in what the server knows better.
    fn stamp(&mut self, key: &Key, body: &mut Value, options: &WriteOptions) {
        let revision = self.next_revision();
        let now = self.time();
        let api_version = body["apiVersion"].clone();
        let metadata = &mut body["metadata"];
        metadata["uid"] = format!("00000000-0000-4000-8000-{revision:012}").into();
        metadata["resourceVersion"] = revision.to_string().into();
        metadata["generation"] = 1.into();
        metadata["creationTimestamp"] = now.clone().into();
        if !key.1.is_empty() {
            metadata["namespace"] = key.1.clone().into();
        }
        let manager = if options.field_manager.is_empty() { "memory" } else { &options.field_manager };
        metadata["managedFields"] = json!([{
            "manager": manager, "operation": "Update", "apiVersion": api_version,
            "time": now, "fieldsType": "FieldsV1", "fieldsV1": {}}]);
        if let Some(map) = body.as_object_mut().filter(|_| self.has_status_subresource(&key.0)) {
            map.remove("status");
        }
    }

    pub(super) fn patch(
        &mut self,
        object: &ObjectRef,
        subresource: Option<&str>,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Value, ClusterError> {
        let key = self.locate(object)?;
        if let Patch::Apply(bytes) = patch
            && !self.objects.contains_key(&key)
        {
            return self.create(object, decode(bytes)?, options);
        }
        let existing = self.existing(&key)?;
        let mut patched = existing.clone();
        match patch {
            Patch::Merge(bytes) | Patch::Strategic(bytes) | Patch::Apply(bytes) => {
                json_patch::merge(&mut patched, &decode(bytes)?);
            }
            Patch::Json(bytes) => {
                let operations: json_patch::Patch =
                    serde_json::from_slice(bytes).map_err(|error| invalid(&error))?;
                json_patch::patch(&mut patched, &operations).map_err(|error| invalid(&error))?;
            }
        }
        self.replace(&key, patched, subresource, options)
    }

    pub(super) fn replace_status(
        &mut self,
        object: &ObjectRef,
        body: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ClusterError> {
        let key = self.locate(object)?;
        let mut replaced = self.existing(&key)?.clone();
        replaced["status"] = body["status"].clone();
        self.replace(&key, replaced, Some("status"), options)
    }

    pub(super) fn delete(&mut self, object: &ObjectRef) -> Result<(), ClusterError> {
        let key = self.locate(object)?;
        self.existing(&key)?;
        if key.0 == "namespaces" {
            self.terminate(&key);
        } else {
            self.delete_key(&key);
        }
        Ok(())
    }

    /// Deletes an object, or marks it while it is held, and what it alone owns.
    fn delete_key(&mut self, key: &Key) {
        let Some(object) = self.objects.get(key) else { return };
        if is_held(object) {
            if object["metadata"]["deletionTimestamp"].is_null() {
                let mut marked = object.clone();
                marked["metadata"]["deletionTimestamp"] = self.time().into();
                marked["metadata"]["resourceVersion"] = self.next_revision().to_string().into();
                self.insert(key.clone(), marked);
            }
            return;
        }
        let uid = object["metadata"]["uid"].clone();
        self.erase(key);
        self.collect_garbage(&uid);
        self.finish_namespace(&key.1);
    }

    /// Empties a namespace; it goes with its last object.
    fn terminate(&mut self, key: &Key) {
        let Some(mut namespace) = self.objects.get(key).cloned() else { return };
        namespace["metadata"]["deletionTimestamp"] = self.time().into();
        namespace["metadata"]["resourceVersion"] = self.next_revision().to_string().into();
        namespace["status"] = json!({"phase": "Terminating"});
        self.insert(key.clone(), namespace);
        let inside: Vec<_> = self.objects.keys().filter(|inside| inside.1 == key.2).cloned().collect();
        for key in &inside {
            self.delete_key(key);
        }
        self.finish_namespace(&key.2);
    }

    fn finish_namespace(&mut self, name: &str) {
        let terminating = self
            .find("namespaces", "", name)
            .is_some_and(|namespace| !namespace["metadata"]["deletionTimestamp"].is_null());
        if terminating && !self.objects.keys().any(|inside| inside.1 == name) {
            self.erase(&("namespaces".into(), String::new(), name.into()));
        }
    }

    /// Deletes the objects whose owners are all gone, as the garbage collector does.
    fn collect_garbage(&mut self, gone: &Value) {
        let owned: Vec<_> = self
            .objects
            .iter()
            .filter(|(_, object)| {
                let owners = object["metadata"]["ownerReferences"].as_array();
                !gone.is_null()
                    && owners.is_some_and(|owners| {
                        owners.iter().any(|owner| owner["uid"] == *gone)
                            && !owners.iter().any(|owner| self.lives(&owner["uid"]))
                    })
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in &owned {
            self.delete_key(key);
        }
    }

    fn lives(&self, uid: &Value) -> bool {
        self.objects.values().any(|object| object["metadata"]["uid"] == *uid)
    }

    pub(super) fn existing(&self, key: &Key) -> Result<&Value, ClusterError> {
        self.objects
            .get(key)
            .ok_or_else(|| ClusterError::NotFound { message: format!("{} {:?} not found", key.0, key.2) })
    }

    /// Stores a changed object; what changes nothing makes no revision.
    pub(super) fn replace(
        &mut self,
        key: &Key,
        mut object: Value,
        subresource: Option<&str>,
        options: &WriteOptions,
    ) -> Result<Value, ClusterError> {
        let before = self.existing(key)?.clone();
        let (old, new) = (&before["metadata"], &mut object["metadata"]);
        if !new["resourceVersion"].is_null() && new["resourceVersion"] != old["resourceVersion"] {
            return Err(ClusterError::Conflict {
                message: format!(
                    "Operation cannot be fulfilled on {} {:?}: the object has been modified; please apply your changes to the latest version and try again",
                    key.0, key.2
                ),
            });
        }
        for fixed in ["uid", "creationTimestamp", "deletionTimestamp", "generation", "resourceVersion"] {
            keep(old, new, fixed);
        }
        match subresource {
            Some("status") => {
                let status = object["status"].take();
                object = before.clone();
                object["status"] = status;
            }
            _ if self.has_status_subresource(&key.0) => keep(&before, &mut object, "status"),
            _ => {}
        }
        if options.dry_run || object == before {
            return Ok(object);
        }
        if content(&object, &before) {
            object["metadata"]["generation"] =
                (before["metadata"]["generation"].as_u64().unwrap_or(0) + 1).into();
        }
        object["metadata"]["resourceVersion"] = self.next_revision().to_string().into();
        self.serve_crd(&object);
        self.insert(key.clone(), object.clone());
        if !object["metadata"]["deletionTimestamp"].is_null() && !is_held(&object) && key.0 != "namespaces" {
            self.delete_key(key);
        }
        Ok(object)
    }

    fn check_namespace(&self, key: &Key) -> Result<(), ClusterError> {
        if key.1.is_empty() {
            return Ok(());
        }
        match self.find("namespaces", "", &key.1) {
            None => Err(ClusterError::NotFound { message: format!("namespaces {:?} not found", key.1) }),
            Some(namespace) if !namespace["metadata"]["deletionTimestamp"].is_null() => {
                Err(ClusterError::Forbidden {
                    message: format!(
                        "{} {:?} is forbidden: unable to create new content in namespace {} because it is being terminated",
                        key.0, key.2, key.1
                    ),
                })
            }
            Some(_) => Ok(()),
        }
    }

    fn check_node_ports(&self, key: &Key, body: &Value) -> Result<(), ClusterError> {
        if key.0 != "services" {
            return Ok(());
        }
        let ports = |service: &Value| -> Vec<i64> {
            let ports = service["spec"]["ports"].as_array().into_iter().flatten();
            ports.filter_map(|port| port["nodePort"].as_i64()).filter(|port| *port != 0).collect()
        };
        let taken: Vec<i64> = self
            .objects
            .iter()
            .filter(|(other, _)| other.0 == "services")
            .flat_map(|(_, service)| ports(service))
            .collect();
        match ports(body).iter().position(|port| taken.contains(port)) {
            Some(index) => Err(ClusterError::Invalid {
                message: format!(
                    "Service {:?} is invalid: spec.ports[{index}].nodePort: Invalid value: {}: provided port is already allocated",
                    key.2,
                    ports(body)[index]
                ),
            }),
            None => Ok(()),
        }
    }

    fn furnish_namespace(&mut self, name: &str) {
        for (resource, object) in [
            ("serviceaccounts", crate::object::object("v1", "ServiceAccount", name, "default")),
            ("configmaps", crate::object::config_map(name, "kube-root-ca.crt")),
        ] {
            let key = (
                resource.into(),
                name.into(),
                object["metadata"]["name"].as_str().unwrap_or_default().into(),
            );
            self.insert(key, object);
        }
    }

    /// The time in the API's form: whole seconds.
    fn time(&self) -> String {
        let now = (self.now)();
        jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
    }
}

/// A name from `generateName`.
fn generated_name(body: &Value, seed: u64) -> Result<String, ClusterError> {
    match body["metadata"]["generateName"].as_str().filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => Ok(format!("{prefix}{:05x}", seed * 7919 % 0xf_ffff)),
        None => Err(ClusterError::Invalid {
            message: "resource name may not be empty: name or generateName is required".into(),
        }),
    }
}

fn is_held(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

/// Takes a field over from the stored object, absence included.
fn keep(old: &Value, new: &mut Value, field: &str) {
    let Some(map) = new.as_object_mut() else { return };
    match old.get(field) {
        Some(value) => drop(map.insert(field.to_owned(), value.clone())),
        None => drop(map.remove(field)),
    }
}

/// Whether anything but metadata and status differs.
fn content(a: &Value, b: &Value) -> bool {
    let parts = |object: &Value| {
        let mut object = object.clone();
        if let Some(map) = object.as_object_mut() {
            map.remove("metadata");
            map.remove("status");
        }
        object
    };
    parts(a) != parts(b)
}

pub(super) fn decode(bytes: &[u8]) -> Result<Value, ClusterError> {
    serde_json::from_slice(bytes).map_err(|error| invalid(&error))
}

fn invalid(error: &dyn std::fmt::Display) -> ClusterError {
    ClusterError::Invalid { message: error.to_string() }
}

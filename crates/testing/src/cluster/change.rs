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
        let key = self.locate(object)?;
        self.check_namespace(&key)?;
        if self.objects.contains_key(&key) {
            return Err(ClusterError::AlreadyExists {
                message: format!("{} {:?} already exists", key.0, key.2),
            });
        }
        self.check_node_ports(&key, &body)?;
        let revision = self.next_revision();
        let api_version = body["apiVersion"].clone();
        let metadata = &mut body["metadata"];
        metadata["uid"] = format!("00000000-0000-4000-8000-{revision:012}").into();
        metadata["resourceVersion"] = revision.to_string().into();
        metadata["generation"] = 1.into();
        metadata["creationTimestamp"] = "2026-01-02T03:04:05Z".into();
        if !key.1.is_empty() {
            metadata["namespace"] = key.1.clone().into();
        }
        let manager = if options.field_manager.is_empty() { "memory" } else { &options.field_manager };
        metadata["managedFields"] = json!([{
            "manager": manager, "operation": "Update", "apiVersion": api_version,
            "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1", "fieldsV1": {}}]);
        if let Some(map) = body.as_object_mut() {
            map.remove("status");
        }
        if options.dry_run {
            return Ok(body);
        }
        Self::establish(&mut body);
        self.serve_crd(&body);
        if key.0 == "namespaces" {
            body["status"] = json!({"phase": "Active"});
            self.furnish_namespace(&key.2);
        }
        self.objects.insert(key, body.clone());
        Ok(body)
    }

    pub(super) fn patch(
        &mut self,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Value, ClusterError> {
        let key = self.locate(object)?;
        let mut patched = self.existing(&key)?.clone();
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
        Ok(self.replace(key, patched, options))
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
        Ok(self.replace(key, replaced, options))
    }

    pub(super) fn delete(&mut self, object: &ObjectRef) -> Result<(), ClusterError> {
        let key = self.locate(object)?;
        let held = self.existing(&key)?["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|finalizers| !finalizers.is_empty());
        if held {
            let mut marked = self.existing(&key)?.clone();
            marked["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
            self.objects.insert(key, marked);
            return Ok(());
        }
        if key.0 == "namespaces" {
            self.objects.retain(|inside, _| inside.1 != key.2);
        }
        self.objects.remove(&key);
        Ok(())
    }

    pub(super) fn existing(&self, key: &Key) -> Result<&Value, ClusterError> {
        self.objects
            .get(key)
            .ok_or_else(|| ClusterError::NotFound { message: format!("{} {:?} not found", key.0, key.2) })
    }

    fn replace(&mut self, key: Key, mut object: Value, options: &WriteOptions) -> Value {
        if options.dry_run {
            return object;
        }
        object["metadata"]["resourceVersion"] = self.next_revision().to_string().into();
        let metadata = &object["metadata"];
        let gone = !metadata["deletionTimestamp"].is_null()
            && metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
        if gone {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key, object.clone());
        }
        object
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
            self.objects.insert(key, object);
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Value, ClusterError> {
    serde_json::from_slice(bytes).map_err(|error| invalid(&error))
}

fn invalid(error: &dyn std::fmt::Display) -> ClusterError {
    ClusterError::Invalid { message: error.to_string() }
}

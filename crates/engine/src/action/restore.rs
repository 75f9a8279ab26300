//! The built-in restore actions, in the order in which they run (behaviour §5): by name.
//!
//! Each file is one action: a pure function from an object to a changed object and what it needs. None of them writes to the
//! cluster.

mod add_pvc_from_pod;
mod admission_webhook_configuration;
mod apiservice;
mod change_image_name;
mod change_storage_class;
mod cluster_role_bindings;
mod config;
mod crd_preserve_fields;
mod dataupload;
mod init_restore_hook;
mod job;
mod pod;
mod pvc;
mod role_bindings;
mod secret;
mod service;
mod service_account;

use std::sync::Arc;

use async_trait::async_trait;
use bowline_api::restore::Restore;
use serde_json::{Map, Value};

use super::{Action, ActionError, ActionSelector, Item, RestoreAction, RestoreContext, RestoreEffects};
use crate::port::Ports;

/// The built-in actions for one run. The ConfigMaps that configure some of them are read here, once; `namespace` is the server's, or
/// `None` where there is no server and so no such ConfigMap.
pub async fn builtin(
    ports: &Ports,
    namespace: Option<&str>,
) -> Result<Vec<Arc<dyn RestoreAction>>, ActionError> {
    let images = config::read(ports, namespace, change_image_name::NAME).await?;
    let classes = config::read(ports, namespace, change_storage_class::NAME).await?;
    let mut actions: Vec<Arc<dyn RestoreAction>> = vec![
        Arc::new(add_pvc_from_pod::ACTION),
        Arc::new(admission_webhook_configuration::ACTION),
        Arc::new(apiservice::ACTION),
    ];
    // Without configuration these two change nothing, and objects that no action is for are never decoded.
    if !images.is_empty() {
        actions.push(Arc::new(change_image_name::ChangeImageName::new(&images)));
    }
    if !classes.is_empty() {
        actions.push(Arc::new(change_storage_class::ChangeStorageClass::new(classes)));
    }
    actions.extend([
        Arc::new(cluster_role_bindings::ACTION) as Arc<dyn RestoreAction>,
        Arc::new(crd_preserve_fields::ACTION),
        Arc::new(dataupload::ACTION),
        Arc::new(init_restore_hook::ACTION),
        Arc::new(job::ACTION),
        Arc::new(pod::ACTION),
        Arc::new(pvc::ACTION),
        Arc::new(role_bindings::ACTION),
        Arc::new(secret::ACTION),
        Arc::new(service::ACTION),
        Arc::new(service_account::ACTION),
    ]);
    Ok(actions)
}

/// An action that needs nothing but the object and the restore.
struct Pure {
    name: &'static str,
    resources: &'static [&'static str],
    execute: fn(&mut Value, &RestoreContext<'_>) -> Result<RestoreEffects, ActionError>,
}

#[async_trait]
impl Action for Pure {
    fn name(&self) -> &str {
        self.name
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(self.resources))
    }
}

#[async_trait]
impl RestoreAction for Pure {
    async fn execute(
        &self,
        item: &mut Item,
        context: &RestoreContext<'_>,
    ) -> Result<RestoreEffects, ActionError> {
        (self.execute)(item.tree_mut()?, context)
    }
}

/// The effects of an action that only changes the object.
fn changed(change: impl FnOnce()) -> RestoreEffects {
    change();
    RestoreEffects::default()
}

/// The map at a pointer, to change it.
fn map_mut<'a>(tree: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    tree.pointer_mut(pointer).and_then(Value::as_object_mut)
}

/// The list at a pointer, to change it.
fn list_mut<'a>(tree: &'a mut Value, pointer: &str) -> Option<&'a mut Vec<Value>> {
    tree.pointer_mut(pointer).and_then(Value::as_array_mut)
}

/// The text at a pointer; empty when there is none.
fn text<'a>(tree: &'a Value, pointer: &str) -> &'a str {
    tree.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Maps the namespaces of the subjects of a role binding.
fn map_subjects(binding: &mut Value, restore: &Restore) {
    for subject in list_mut(binding, "/subjects").into_iter().flatten() {
        if let Some(target) = restore.spec.namespace_mapping.get(text(subject, "/namespace")) {
            subject["namespace"] = target.as_str().into();
        }
    }
}

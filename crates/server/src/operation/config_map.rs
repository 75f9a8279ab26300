//! What a run reads from ConfigMaps of the server's namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use bowline_api::{Backup, Restore};
use bowline_engine::catalog::Kind;
use bowline_engine::modify::{ModifierError, Modifiers};
use bowline_engine::object::ObjectError;
use bowline_engine::port::{ClusterError, ObjectRef};
use bowline_engine::select::policy::{Policies, PolicyError};
use serde::Deserialize;
use thiserror::Error;

use super::Operation;

/// Why a ConfigMap can't be used.
#[derive(Debug, Error)]
pub(super) enum ConfigMapError {
    #[error("there is no server, so there is no ConfigMap {0:?} to read")]
    NoServer(String),
    #[error("failed to read the ConfigMap {name:?}")]
    Read {
        name: String,
        #[source]
        source: ClusterError,
    },
    #[error("the ConfigMap {name:?} has not the shape of one")]
    Shape {
        name: String,
        #[source]
        source: ObjectError,
    },
    #[error("the ConfigMap {name:?} holds no valid resource modifiers")]
    Modifiers {
        name: String,
        #[source]
        source: ModifierError,
    },
    #[error("the ConfigMap {name:?} holds no valid resource policies")]
    Policies {
        name: String,
        #[source]
        source: PolicyError,
    },
}

impl ConfigMapError {
    /// Whether the same may succeed later.
    pub(super) fn is_retryable(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.is_retryable())
    }
}

/// The resource modifiers that the restore names.
pub(super) async fn modifiers(
    operation: &Operation<'_>,
    restore: &Restore,
) -> Result<Option<Arc<Modifiers>>, ConfigMapError> {
    let Some(reference) = &restore.spec.resource_modifier else { return Ok(None) };
    let name = &reference.name;
    let data = read(operation, name).await?;
    let modifiers =
        Modifiers::parse(&data).map_err(|source| ConfigMapError::Modifiers { name: name.clone(), source })?;
    Ok(Some(Arc::new(modifiers)))
}

/// The resource policies that the backup names.
pub(super) async fn policies(
    operation: &Operation<'_>,
    backup: &Backup,
) -> Result<Option<Arc<Policies>>, ConfigMapError> {
    let Some(reference) = &backup.spec.resource_policy else { return Ok(None) };
    let name = &reference.name;
    let data = read(operation, name).await?;
    let policies = Policies::from_config_map(&data)
        .map_err(|source| ConfigMapError::Policies { name: name.clone(), source })?;
    Ok(Some(Arc::new(policies)))
}

async fn read(operation: &Operation<'_>, name: &str) -> Result<BTreeMap<String, String>, ConfigMapError> {
    #[derive(Deserialize)]
    struct View {
        #[serde(default)]
        data: BTreeMap<String, String>,
    }
    let namespace = operation.namespace.ok_or_else(|| ConfigMapError::NoServer(name.to_owned()))?;
    let object = ObjectRef {
        kind: Arc::new(Kind::builtin("", "v1", "ConfigMap", "configmaps", true)),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    let found = operation.ports.cluster.get(&object).await;
    let found = found.map_err(|source| ConfigMapError::Read { name: name.to_owned(), source })?;
    let view: View =
        found.view().map_err(|source| ConfigMapError::Shape { name: name.to_owned(), source })?;
    Ok(view.data)
}

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

use super::Tools;

/// Why a ConfigMap can't be used.
#[derive(Debug, Error)]
pub enum ConfigMapError {
    /// There is no server, and so no namespace to read it from.
    #[error("there is no server, so there is no ConfigMap {0:?} to read")]
    NoServer(String),
    /// The API server does not give it.
    #[error("failed to read the ConfigMap {name:?}")]
    Read {
        /// Its name.
        name: String,
        /// What the API server said.
        #[source]
        source: ClusterError,
    },
    /// It is no ConfigMap.
    #[error("the ConfigMap {name:?} has not the shape of one")]
    Shape {
        /// Its name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: ObjectError,
    },
    /// Its resource modifiers have a mistake.
    #[error("the ConfigMap {name:?} holds no valid resource modifiers")]
    Modifiers {
        /// Its name.
        name: String,
        /// What is wrong with it, and where.
        #[source]
        source: ModifierError,
    },
    /// Its resource policies have a mistake.
    #[error("the ConfigMap {name:?} holds no valid resource policies")]
    Policies {
        /// Its name.
        name: String,
        /// What is wrong with it, and where.
        #[source]
        source: PolicyError,
    },
}

impl ConfigMapError {
    /// Whether the same may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.is_retryable())
    }
}

/// The resource modifiers that the restore names.
pub(super) async fn modifiers(
    tools: &Tools<'_>,
    restore: &Restore,
) -> Result<Option<Arc<Modifiers>>, ConfigMapError> {
    let Some(reference) = &restore.spec.resource_modifier else { return Ok(None) };
    let name = &reference.name;
    let data = read(tools, name).await?;
    let modifiers =
        Modifiers::parse(&data).map_err(|source| ConfigMapError::Modifiers { name: name.clone(), source })?;
    Ok(Some(Arc::new(modifiers)))
}

/// The resource policies that the backup names.
pub(super) async fn policies(
    tools: &Tools<'_>,
    backup: &Backup,
) -> Result<Option<Arc<Policies>>, ConfigMapError> {
    let Some(reference) = &backup.spec.resource_policy else { return Ok(None) };
    let name = &reference.name;
    let data = read(tools, name).await?;
    let policies = Policies::from_config_map(&data)
        .map_err(|source| ConfigMapError::Policies { name: name.clone(), source })?;
    Ok(Some(Arc::new(policies)))
}

async fn read(tools: &Tools<'_>, name: &str) -> Result<BTreeMap<String, String>, ConfigMapError> {
    #[derive(Deserialize)]
    struct View {
        #[serde(default)]
        data: BTreeMap<String, String>,
    }
    let namespace = tools.namespace.ok_or_else(|| ConfigMapError::NoServer(name.to_owned()))?;
    let object = ObjectRef {
        kind: Arc::new(Kind::builtin("", "v1", "ConfigMap", "configmaps", true)),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    let found = tools.ports.cluster.get(&object).await;
    let found = found.map_err(|source| ConfigMapError::Read { name: name.to_owned(), source })?;
    let view: View =
        found.view().map_err(|source| ConfigMapError::Shape { name: name.to_owned(), source })?;
    Ok(view.data)
}

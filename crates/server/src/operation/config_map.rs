//! What a run reads from ConfigMaps of the server's namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use bowline_api::{Backup, Restore};
use bowline_engine::catalog::Kind;
use bowline_engine::modify::{self, ModifierError, Modifiers};
use bowline_engine::object::ObjectError;
use bowline_engine::port::{ClusterError, ObjectRef};
use bowline_engine::restore::{VersionPriorities, parse_version_priorities};
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
    /// It holds policies of another sort than can be used here.
    #[error("the ConfigMap {name:?} can't be used: {reason}")]
    Unsuitable {
        /// Its name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// A line is no order of versions.
    #[error("the ConfigMap {name:?} has the line {line:?}, it must read like resource.group=v2,v1")]
    Versions {
        /// Its name.
        name: String,
        /// The line.
        line: String,
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

/// The resource modifiers that the restore names, else the server-wide ones unless it opts out of them (behaviour §11).
pub(super) async fn modifiers(
    tools: &Tools<'_>,
    restore: &Restore,
) -> Result<Option<Arc<Modifiers>>, ConfigMapError> {
    let spec = &restore.spec;
    let default = tools.settings.rules.default_modifiers.as_deref();
    let skip = spec.skip_default_resource_modifier == Some(true);
    let Some(name) = modify::config_map(spec.resource_modifier.as_ref(), default, skip) else {
        return Ok(None);
    };
    let data = read(tools, name).await?;
    let modifiers = Modifiers::parse(&data)
        .map_err(|source| ConfigMapError::Modifiers { name: name.to_owned(), source })?;
    Ok(Some(Arc::new(modifiers)))
}

/// The resource policies that the backup names, and the server-wide volume policies behind them (behaviour §11).
pub(super) async fn policies(
    tools: &Tools<'_>,
    backup: &Backup,
) -> Result<Option<Arc<Policies>>, ConfigMapError> {
    let own = match &backup.spec.resource_policy {
        Some(reference) => Some(read_policies(tools, &reference.name).await?),
        None => None,
    };
    let Some(name) = &tools.settings.rules.global_policies else { return Ok(own.map(Arc::new)) };
    let global = read_policies(tools, name).await?;
    suits(name, global.refused_as_global())?;
    Ok(Some(Arc::new(own.unwrap_or_default().with_global(&global))))
}

/// The resource policies that the restore names: filters for objects.
pub(super) async fn restore_policies(
    tools: &Tools<'_>,
    restore: &Restore,
) -> Result<Option<Arc<Policies>>, ConfigMapError> {
    let Some(reference) = &restore.spec.resource_policy else { return Ok(None) };
    let policies = read_policies(tools, &reference.name).await?;
    suits(&reference.name, policies.refused_for_restore())?;
    Ok(Some(Arc::new(policies)))
}

fn suits(name: &str, refused: Option<&'static str>) -> Result<(), ConfigMapError> {
    refused.map_or(Ok(()), |reason| Err(ConfigMapError::Unsuitable { name: name.to_owned(), reason }))
}

async fn read_policies(tools: &Tools<'_>, name: &str) -> Result<Policies, ConfigMapError> {
    let data = read(tools, name).await?;
    Policies::from_config_map(&data)
        .map_err(|source| ConfigMapError::Policies { name: name.to_owned(), source })
}

/// With EnableAPIGroupVersions: the user's order of versions by kind; empty where the ConfigMap is missing. `None` without the feature.
pub(super) async fn version_priorities(
    tools: &Tools<'_>,
) -> Result<Option<VersionPriorities>, ConfigMapError> {
    const NAME: &str = "enableapigroupversions";
    const KEY: &str = "restoreResourcesVersionPriority";
    if !tools.settings.rules.all_versions {
        return Ok(None);
    }
    if tools.namespace.is_none() {
        return Ok(Some(VersionPriorities::new()));
    }
    let data = match read(tools, NAME).await {
        Err(ConfigMapError::Read { source, .. }) if source.is_not_found() => BTreeMap::new(),
        data => data?,
    };
    let text = data.get(KEY).map_or("", String::as_str);
    let wrong = |line: String| ConfigMapError::Versions { name: NAME.into(), line };
    parse_version_priorities(text).map(Some).map_err(wrong)
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

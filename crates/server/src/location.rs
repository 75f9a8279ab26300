//! From a BackupStorageLocation to an open store: Secrets are read, and stores are kept as long as nothing of that changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bowline_api::backup::BackupSpec;
use bowline_api::location::{BackupStorageLocationAccessMode, BackupStorageLocationPhase};
use bowline_api::reference::SecretKeySelector;
use bowline_api::{BackupStorageLocation, Time};
use bowline_store::{BackupStore, Credentials, LocationConfig};
use bytes::Bytes;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::failure::ApiError;
use crate::host::StoreRegistry;
use crate::traced::Traced;

/// The S3 setting that names a Secret with a customer's key.
const CUSTOMER_KEY: &str = "customerKeyEncryptionSecret";

/// Why a location can't be used.
#[derive(Debug, Error)]
pub enum LocationError {
    /// There is no location of that name.
    #[error("backup storage location {0:?} not found")]
    Missing(String),
    /// Its last validation failed.
    #[error("backup storage location {name:?} is unavailable: {message}")]
    Unavailable {
        /// Name of the location.
        name: String,
        /// What its validation said.
        message: String,
    },
    /// It may only be read.
    #[error("backup storage location {0:?} is in read-only mode")]
    ReadOnly(String),
    /// A Secret that it names has no such key.
    #[error("the secret {secret:?} has no key {key:?}")]
    Key {
        /// Name of the Secret.
        secret: String,
        /// The key.
        key: String,
    },
    /// A Secret can't be read.
    #[error(transparent)]
    Secret(#[from] ApiError),
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] bowline_store::Error),
}

impl LocationError {
    /// The same may succeed later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Secret(error) => !error.is_permanent(),
            Self::Store(error) => error.is_retryable(),
            Self::Unavailable { .. } => true,
            Self::Missing(_) | Self::ReadOnly(_) | Self::Key { .. } => false,
        }
    }
}

/// Reads the Secrets that the location names, and makes the plain form of it.
pub async fn resolve(
    client: &kube::Client,
    location: &BackupStorageLocation,
) -> Result<LocationConfig, LocationError> {
    let namespace = location.namespace().unwrap_or_default();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let spec = &location.spec;
    let storage = &spec.object_storage;
    let credentials = optional(&secrets, spec.credential.as_ref()).await?.map(Credentials::Contents);
    let ca_cert = match optional(&secrets, storage.ca_cert_ref.as_ref()).await? {
        Some(certificate) => Some(certificate),
        None => storage.ca_cert.as_ref().map(|certificate| Bytes::from(certificate.0.clone())),
    };
    let customer_key = match spec.config.get(CUSTOMER_KEY).and_then(|setting| setting.split_once('/')) {
        Some((name, key)) => Some(read(&secrets, name, key).await?),
        None => None,
    };
    Ok(LocationConfig {
        provider: spec.provider.clone(),
        bucket: storage.bucket.clone(),
        prefix: storage.prefix.clone(),
        config: spec.config.clone(),
        ca_cert,
        credentials,
        customer_key,
        read_only: is_read_only(location),
    })
}

async fn optional(
    secrets: &Api<Secret>,
    selector: Option<&SecretKeySelector>,
) -> Result<Option<Bytes>, LocationError> {
    match selector {
        Some(selector) => read(secrets, &selector.name, &selector.key).await.map(Some),
        None => Ok(None),
    }
}

async fn read(secrets: &Api<Secret>, name: &str, key: &str) -> Result<Bytes, LocationError> {
    let secret =
        secrets.get(name).await.map_err(|error| ApiError::new(format!("read the secret {name}"), error))?;
    let missing = || LocationError::Key { secret: name.to_owned(), key: key.to_owned() };
    let value = secret.data.and_then(|mut data| data.remove(key)).ok_or_else(missing)?;
    Ok(Bytes::from(value.0))
}

/// Whether nothing may be written to the location.
pub fn is_read_only(location: &BackupStorageLocation) -> bool {
    location.spec.access_mode == Some(BackupStorageLocationAccessMode::ReadOnly)
}

/// Refuses a location whose last validation failed. One that was not tried yet is given the benefit of the doubt.
pub fn check_available(location: &BackupStorageLocation) -> Result<(), LocationError> {
    if location.status.phase == Some(BackupStorageLocationPhase::Unavailable) {
        let message = location.status.message.clone();
        return Err(LocationError::Unavailable { name: location.name_any(), message });
    }
    Ok(())
}

/// Refuses a location that can't be written to.
pub fn check_writable(location: &BackupStorageLocation) -> Result<(), LocationError> {
    if is_read_only(location) {
        return Err(LocationError::ReadOnly(location.name_any()));
    }
    check_available(location)
}

/// The location that a backup goes to: the one it names, else the one marked as default, else the server's.
pub fn choose<'a>(
    spec: &'a BackupSpec,
    locations: impl IntoIterator<Item = &'a Arc<BackupStorageLocation>>,
    fallback: &'a str,
) -> Result<Arc<BackupStorageLocation>, LocationError> {
    let all: Vec<_> = locations.into_iter().collect();
    let named =
        |name: &str| all.iter().find(|location| location.name_any() == name).map(|found| Arc::clone(found));
    if !spec.storage_location.is_empty() {
        return named(&spec.storage_location)
            .ok_or_else(|| LocationError::Missing(spec.storage_location.clone()));
    }
    default_of(all.iter().map(|location| &***location))
        .and_then(|location| named(&location.name_any()))
        .or_else(|| named(fallback))
        .ok_or_else(|| LocationError::Missing(fallback.to_owned()))
}

/// The default location; of several the newest.
pub fn default_of<'a>(
    locations: impl IntoIterator<Item = &'a BackupStorageLocation>,
) -> Option<&'a BackupStorageLocation> {
    let created =
        |location: &BackupStorageLocation| location.metadata.creation_timestamp.clone().map(|Time(at)| at);
    locations
        .into_iter()
        .filter(|location| location.spec.default)
        .max_by(|a, b| created(a).cmp(&created(b)).then_with(|| b.name_any().cmp(&a.name_any())))
}

/// Open stores by location.
pub(crate) struct Stores {
    registry: Arc<dyn StoreRegistry>,
    open: Mutex<HashMap<String, ([u8; 32], BackupStore)>>,
}

impl Stores {
    /// None yet; the registry opens them.
    pub(crate) fn new(registry: Arc<dyn StoreRegistry>) -> Self {
        Self { registry, open: Mutex::default() }
    }

    /// The store of a location: the open one, or a new one when the location or a Secret of it has changed.
    pub(crate) async fn open(
        &self,
        client: &kube::Client,
        location: &BackupStorageLocation,
    ) -> Result<BackupStore, LocationError> {
        let config = resolve(client, location).await?;
        let name = location.name_any();
        let sum = fingerprint(&config);
        if let Some((known, store)) = self.lock().get(&name)
            && *known == sum
        {
            return Ok(store.clone());
        }
        let store = BackupStore::new(Arc::new(Traced::new(self.registry.open(&config).await?)));
        self.lock().insert(name, (sum, store.clone()));
        Ok(store)
    }

    /// Forgets the store of a location that is gone.
    pub(crate) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, ([u8; 32], BackupStore)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sum over everything that makes the store what it is, secrets included.
fn fingerprint(config: &LocationConfig) -> [u8; 32] {
    let mut sum = Sha256::new();
    let mut add = |part: &[u8]| {
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part);
    };
    add(format!("{config:?}").as_bytes());
    add(config.ca_cert.as_deref().unwrap_or_default());
    add(config.customer_key.as_deref().unwrap_or_default());
    if let Some(Credentials::Contents(contents)) = &config.credentials {
        add(contents);
    }
    sum.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(name: &str, created: &str, default: bool) -> Arc<BackupStorageLocation> {
        let mut location =
            BackupStorageLocation::new(name, bowline_api::location::BackupStorageLocationSpec::default());
        location.metadata.creation_timestamp = Some(Time(created.parse().unwrap()));
        location.spec.default = default;
        Arc::new(location)
    }

    #[test]
    fn a_backup_goes_to_the_location_it_names_else_to_the_newest_default_else_to_the_servers() {
        let old = location("old", "2026-01-01T00:00:00Z", true);
        let new = location("new", "2026-02-01T00:00:00Z", true);
        let other = location("other", "2026-03-01T00:00:00Z", false);
        let all = [old, new, other];
        let chosen = |name: &str, locations: &[Arc<BackupStorageLocation>]| {
            let spec = BackupSpec { storage_location: name.into(), ..BackupSpec::default() };
            choose(&spec, locations, "other").map(|location| location.name_any())
        };
        assert_eq!(chosen("old", &all).unwrap(), "old");
        assert_eq!(chosen("", &all).unwrap(), "new");
        assert_eq!(chosen("", &all[2..]).unwrap(), "other");
        assert!(matches!(chosen("nope", &all), Err(LocationError::Missing(name)) if name == "nope"));
    }

    #[test]
    fn secrets_change_the_fingerprint() {
        let config = |secret: &'static str| LocationConfig {
            credentials: Some(Credentials::Contents(Bytes::from_static(secret.as_bytes()))),
            ..LocationConfig::default()
        };
        assert_eq!(fingerprint(&config("a")), fingerprint(&config("a")));
        assert_ne!(fingerprint(&config("a")), fingerprint(&config("b")));
    }
}

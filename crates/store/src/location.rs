//! Where a store is and how to get in: the plain form of a BackupStorageLocation, made by whoever has the cluster at
//! hand (or by the command line from a path or a URL), and the one place that knows which provider is which driver.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::object::ObjectStore;
use crate::{FilesystemStore, Prefixed, ReadOnly, S3Store};

/// A location with all its secrets resolved. `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct LocationConfig {
    /// `aws` or `velero.io/aws`: S3; `filesystem` or `velero.io/filesystem`: a directory.
    pub provider: String,
    /// The bucket. For a directory the sub-directory of the setting `path`; it may be empty there, which means
    /// `path` itself.
    pub bucket: String,
    /// What stands in front of all keys; `/` at its ends is ignored.
    pub prefix: String,
    /// The provider's settings, as in `spec.config`.
    pub config: BTreeMap<String, String>,
    /// Certificates to trust besides the system's: PEM, any number.
    pub ca_cert: Option<Bytes>,
    /// The credentials of this location; without them the provider's own ways are tried (environment, instance).
    pub credentials: Option<Credentials>,
    /// The 32 bytes of the secret that the S3 setting `customerKeyEncryptionSecret` names.
    pub customer_key: Option<Bytes>,
    /// Refuse changes of backups: the access mode ReadOnly. What restores leave there is written all the same.
    pub read_only: bool,
}

/// Credentials in the provider's own file format (for S3 an INI file with profiles).
#[derive(Clone)]
pub enum Credentials {
    /// A file that the provider reads, again whenever it needs to.
    File(PathBuf),
    /// The file's content.
    Contents(Bytes),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Contents(_) => f.write_str("Contents(***)"),
        }
    }
}

impl fmt::Debug for LocationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocationConfig")
            .field("provider", &self.provider)
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .field("config", &self.config)
            .field("credentials", &self.credentials)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// The settings of the filesystem provider.
const FILESYSTEM_KEYS: [&str; 1] = ["path"];

/// Opens the store of a location; its keys begin below the location's prefix.
///
/// For a directory this makes the bucket's directory when only that is missing; for S3 it may ask for the bucket's
/// region. It does not prove that the store works: [`crate::BackupStore::validate`] does.
pub async fn open(location: &LocationConfig) -> Result<Arc<dyn ObjectStore>> {
    let bucket = location.bucket_name()?;
    let prefix = location.prefix.trim_matches('/');
    let mut store: Arc<dyn ObjectStore> = match location.provider.as_str() {
        "aws" | "velero.io/aws" => Arc::new(S3Store::open(location, bucket).await?),
        "filesystem" | "velero.io/filesystem" => open_directory(location, bucket).await?,
        other => {
            return Err(misconfigured(format!("no provider is called {other:?}"))
                .with_hint("the built-in providers are aws (any S3 store) and filesystem"));
        }
    };
    if !prefix.is_empty() {
        store = Arc::new(Prefixed::new(store, prefix)?);
    }
    if location.read_only {
        store = Arc::new(ReadOnly::new(store));
    }
    Ok(store)
}

async fn open_directory(location: &LocationConfig, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    check_keys(&location.config, &FILESYSTEM_KEYS)?;
    let Some(path) = location.config.get("path").filter(|path| !path.is_empty()) else {
        return Err(misconfigured("the setting path is missing")
            .with_hint("set config.path to the directory that holds the bucket"));
    };
    let root = PathBuf::from(path).join(bucket);
    let store = if location.read_only {
        FilesystemStore::open_existing(root).await?
    } else {
        FilesystemStore::open(root).await?
    };
    Ok(Arc::new(store))
}

impl LocationConfig {
    /// Velero's rule: `/` at the ends is dropped, inside it is an error.
    fn bucket_name(&self) -> Result<&str> {
        let bucket = self.bucket.trim_matches('/');
        let escapes = bucket.contains('/') || matches!(bucket, "." | "..");
        if escapes {
            return Err(misconfigured(format!("{bucket:?} is not a name of a bucket"))
                .with_hint("objectStorage.bucket has no slash; put the rest into objectStorage.prefix"));
        }
        Ok(bucket)
    }
}

/// A `Misconfigured` for a setting of the location.
pub(crate) fn misconfigured(detail: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Misconfigured, "open the location").with_detail(detail)
}

/// Refuses settings that the provider doesn't know, with the nearest that it does.
pub(crate) fn check_keys(config: &BTreeMap<String, String>, known: &[&str]) -> Result<()> {
    let Some(unknown) = config.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let error = misconfigured(format!("config.{unknown} is not a setting of this provider"));
    let nearest = known
        .iter()
        .map(|name| (strsim::osa_distance(&unknown.to_lowercase(), &name.to_lowercase()), name))
        .min();
    Err(match nearest {
        Some((distance, name)) if distance <= 1 + name.len() / 3 => {
            error.with_hint(format!("did you mean config.{name}?"))
        }
        _ => error.with_hint(format!("its settings are {}", known.join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, ObjectStoreExt, PutOptions};

    type Change = fn(&mut LocationConfig);

    fn directory(path: &std::path::Path) -> LocationConfig {
        LocationConfig {
            provider: "velero.io/filesystem".into(),
            bucket: "/bucket/".into(),
            prefix: "/some/where/".into(),
            config: [("path".to_owned(), path.display().to_string())].into(),
            ..LocationConfig::default()
        }
    }

    #[tokio::test]
    async fn a_directory_location_keeps_its_objects_below_path_bucket_and_prefix() {
        let root = tempfile::tempdir().unwrap();
        let mut location = directory(root.path());
        let store = open(&location).await.unwrap();
        store.put("backups/x", Body::from("x"), PutOptions::default()).await.unwrap();
        assert!(root.path().join("bucket/some/where/backups/x").is_file());

        location.read_only = true;
        let store = open(&location).await.unwrap();
        assert!(store.exists("backups/x").await.unwrap());
        assert_eq!(store.delete("backups/x").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
        store.put("restores/r/log", Body::from("kept all the same"), PutOptions::default()).await.unwrap();
        assert!(root.path().join("bucket/some/where/restores/r/log").is_file());
    }

    #[tokio::test]
    async fn wrong_settings_are_refused_with_a_hint() {
        let root = tempfile::tempdir().unwrap();
        let cases: [(Change, &str); 5] = [
            (|location| location.provider = "gcp".into(), "built-in providers"),
            (|location| location.bucket = "a/b".into(), "objectStorage.prefix"),
            (|location| location.bucket = "..".into(), "objectStorage.prefix"),
            (
                |location| drop(location.config.insert("Pth".into(), String::new())),
                "did you mean config.path?",
            ),
            (|location| location.config.clear(), "config.path"),
        ];
        for (change, hint) in cases {
            let mut location = directory(root.path());
            change(&mut location);
            let error = open(&location).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
            assert!(error.hint().unwrap().contains(hint), "{error}: {:?}", error.hint());
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = Bytes::from_static(b"s3cr3t");
        let location = LocationConfig {
            credentials: Some(Credentials::Contents(secret.clone())),
            customer_key: Some(secret),
            ..LocationConfig::default()
        };
        let shown = format!("{location:?}");
        assert!(!shown.contains("s3cr3t") && !shown.contains("115"), "{shown}");
    }
}

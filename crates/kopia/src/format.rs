//! The format of a repository: the blob `kopia.repository`, its parameters, its keys, and storage retention.

mod block;
mod copies;
mod parameters;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::blob::{BlobError, BlobStore, BlobStoreExt, PutOptions, Retention};
use crate::crypto::{Key, kdf, random};
use crate::error::BlobContext;
use crate::{Error, Result};

use block::FormatBlock;
pub use copies::recover;
pub use parameters::{
    EpochParameters, GoDuration, RepositoryParameters, RequiredFeature, Secret, StorageRetention, UpgradeLock,
};

/// The format blob.
pub const FORMAT_BLOB: &str = "kopia.repository";
/// The blob with the storage retention settings.
pub const RETENTION_BLOB: &str = "kopia.blobcfg";

/// Prefixes of blobs that carry the repository's object lock.
pub(crate) const RETAINED_PREFIXES: [&str; 6] = ["n", "x", FORMAT_BLOB, RETENTION_BLOB, "p", "q"];

/// What a new repository shall be like. The default is what Velero creates.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// 1, 2 or 3. Version 1 is for very old clients: no change of the password, no epochs, and we cannot maintain it.
    pub version: u32,
    /// The name of the hash function.
    pub hash: String,
    /// The name of the cipher.
    pub encryption: String,
    /// The name of the splitter.
    pub splitter: String,
    /// Space for error correction in percent, 0 for none; ignored in version 1.
    pub ecc_overhead_percent: u32,
    /// Storage retention, none by default.
    pub retention: StorageRetention,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            version: parameters::MAX_VERSION,
            hash: "BLAKE2B-256-128".into(),
            encryption: "AES256-GCM-HMAC-SHA256".into(),
            splitter: "DYNAMIC-4M-BUZHASH".into(),
            ecc_overhead_percent: 0,
            retention: StorageRetention::default(),
        }
    }
}

/// An opened format: parameters and keys.
#[derive(Clone)]
pub struct Format {
    unique_id: Vec<u8>,
    parameters: RepositoryParameters,
    retention: StorageRetention,
    key: Arc<Key>,
    maintenance_key: Arc<Key>,
    /// The copy of the format blob that begins the packs of version 1; empty in later ones.
    pack_head: Arc<[u8]>,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Format")
            .field("unique_id", &hex::encode(&self.unique_id))
            .field("parameters", &self.parameters)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

impl Format {
    /// Creates the two blobs of a new repository: retention first, format last, so that a crash leaves nothing that opens.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`]; [`Error::Unsupported`] for unknown algorithms.
    pub async fn create(store: &dyn BlobStore, password: &str, options: &CreateOptions) -> Result<Self> {
        for id in [FORMAT_BLOB, RETENTION_BLOB] {
            match store.metadata(id).await {
                Err(BlobError::NotFound) => {}
                Ok(_) => return Err(Error::AlreadyExists),
                Err(source) => return Err(source).blob("inspect", id),
            }
        }
        let parameters = RepositoryParameters::created(options)?;
        parameters.check()?;
        let block = FormatBlock::new(random::<32>()?.to_vec());
        let key = derive(&block, password).await?;
        let retention = serde_json::to_vec(&options.retention).map_err(|source| unserializable(&source))?;
        put_retention(store, &block, &key, &retention).await?;
        let block = block.seal(&key, &parameters.to_json()?)?;
        match store.put(FORMAT_BLOB, block.to_json()?, PutOptions::if_absent()).await {
            Err(BlobError::AlreadyExists) => return Err(Error::AlreadyExists),
            other => other.blob("write", FORMAT_BLOB)?,
        }
        Self::assemble(&block, key, parameters, options.retention.clone())
    }

    /// Reads and decrypts the format blob.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::InvalidPassword`], [`Error::Damaged`], [`Error::Unsupported`],
    /// [`Error::UpgradeLocked`].
    pub async fn open(store: &dyn BlobStore, password: &str) -> Result<Self> {
        // The key is derived while the other blob is on its way.
        let (unlocked, sealed) = tokio::join!(unlock(store, password), store.get_if_exists(RETENTION_BLOB));
        let (block, key, inner) = unlocked?;
        let parameters = RepositoryParameters::from_json(&inner)?;
        parameters.check()?;
        let sealed = sealed.blob("read", RETENTION_BLOB)?;
        let retention = match open_retention(sealed, &block, &key)? {
            Some(json) => {
                serde_json::from_slice(&json).map_err(|source| not_json(RETENTION_BLOB, &source))?
            }
            None => StorageRetention::default(),
        };
        Self::assemble(&block, key, parameters, retention)
    }

    /// Replaces the password. A crash at any point leaves a repository that opens with the old or the new one.
    ///
    /// The retention blob, sealed with the same key, cannot change in the same step: it is absent (which means "none")
    /// while the format blob is replaced.
    ///
    /// # Errors
    /// As [`Format::open`], with `old`; [`Error::Unsupported`] for version 1.
    pub async fn change_password(store: &dyn BlobStore, old: &str, new: &str) -> Result<()> {
        let (block, key, inner) = unlock(store, old).await?;
        let parameters = RepositoryParameters::from_json(&inner)?;
        parameters.check()?;
        if !parameters.enable_password_change || parameters.version < 2 {
            return Err(Error::Unsupported("the password of this repository cannot be changed".into()));
        }
        let retention = read_retention(store, &block, &key).await?;
        let new_key = derive(&block, new).await?;
        let sealed = block.seal(&new_key, &inner)?.to_json()?;
        store.delete(RETENTION_BLOB).await.blob("delete", RETENTION_BLOB)?;
        store.put(FORMAT_BLOB, sealed, PutOptions::default()).await.blob("write", FORMAT_BLOB)?;
        put_retention(store, &block, &new_key, &retention.unwrap_or_else(|| Zeroizing::new(b"{}".to_vec())))
            .await
    }

    fn assemble(
        block: &FormatBlock,
        key: Key,
        parameters: RepositoryParameters,
        retention: StorageRetention,
    ) -> Result<Self> {
        // Version 1 has no password change, so its keys come from the password itself.
        let source: &[u8] = if parameters.version == 1 { &*key } else { parameters.master_key.expose() };
        let maintenance_key = kdf::hkdf(source, &block.unique_id, b"maintenance schedule")?;
        let pack_head = if parameters.version == 1 { copies::frame(&block.to_json()?) } else { None };
        Ok(Self {
            unique_id: block.unique_id.clone(),
            parameters,
            retention,
            key: Arc::new(key),
            maintenance_key: Arc::new(maintenance_key),
            pack_head: pack_head.unwrap_or_default().into(),
        })
    }

    /// The parameters as they are stored now: epoch parameters, sizes and locks change under a long session.
    ///
    /// # Errors
    /// As [`Format::open`]; [`Error::InvalidPassword`] when the password was changed since.
    pub(crate) async fn reread(&self, store: &dyn BlobStore) -> Result<RepositoryParameters> {
        let block = read_block(store).await?;
        if block.unique_id != self.unique_id {
            return Err(Error::damaged(FORMAT_BLOB, "it is that of another repository"));
        }
        let inner = block.open(&self.key)?.ok_or(Error::InvalidPassword)?;
        let parameters = RepositoryParameters::from_json(&inner)?;
        parameters.check()?;
        Ok(parameters)
    }

    /// The random identity of the repository.
    pub fn unique_id(&self) -> &[u8] {
        &self.unique_id
    }

    /// The parameters.
    pub fn parameters(&self) -> &RepositoryParameters {
        &self.parameters
    }

    /// The storage retention that writers apply.
    pub fn retention(&self) -> &StorageRetention {
        &self.retention
    }

    /// How blob `id`, written `now`, is to be stored.
    pub(crate) fn put_options(&self, id: &str, now: Timestamp) -> PutOptions {
        let retained = RETAINED_PREFIXES.iter().any(|prefix| id.starts_with(prefix));
        let retention: Option<Retention> = self.retention.active(now).filter(|_| retained);
        PutOptions { retention, ..PutOptions::default() }
    }

    pub(crate) fn maintenance_key(&self) -> &Key {
        &self.maintenance_key
    }

    pub(crate) fn pack_head(&self) -> &[u8] {
        &self.pack_head
    }
}

async fn read_block(store: &dyn BlobStore) -> Result<FormatBlock> {
    let json = match store.get(FORMAT_BLOB, None).await {
        Err(BlobError::NotFound) => return Err(Error::NotARepository),
        other => other.blob("read", FORMAT_BLOB)?,
    };
    FormatBlock::from_json(&json)
}

async fn unlock(store: &dyn BlobStore, password: &str) -> Result<(FormatBlock, Key, Zeroizing<Vec<u8>>)> {
    let block = read_block(store).await?;
    let key = derive(&block, password).await?;
    match block.open(&key)? {
        Some(inner) => Ok((block, key, inner)),
        None => Err(tell_apart(store, &block, &key).await),
    }
}

/// A seal that does not open means a wrong password, unless the same key opens the retention blob.
async fn tell_apart(store: &dyn BlobStore, block: &FormatBlock, key: &Key) -> Error {
    match read_retention(store, block, key).await {
        Ok(Some(_)) => {
            Error::damaged(FORMAT_BLOB, "the encrypted part does not open, though the password is right")
        }
        Ok(None) | Err(Error::Damaged { .. }) => Error::InvalidPassword,
        Err(other) => other,
    }
}

async fn read_retention(
    store: &dyn BlobStore,
    block: &FormatBlock,
    key: &Key,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let sealed = store.get_if_exists(RETENTION_BLOB).await.blob("read", RETENTION_BLOB)?;
    open_retention(sealed, block, key)
}

fn open_retention(
    sealed: Option<Bytes>,
    block: &FormatBlock,
    key: &Key,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(sealed) = sealed else { return Ok(None) };
    match block.open_bytes(key, &sealed)? {
        Some(json) => Ok(Some(json)),
        None => Err(Error::damaged(RETENTION_BLOB, "it does not open with the key of the repository")),
    }
}

async fn put_retention(store: &dyn BlobStore, block: &FormatBlock, key: &Key, json: &[u8]) -> Result<()> {
    let sealed = Bytes::from(block.seal_bytes(key, json)?);
    store.put(RETENTION_BLOB, sealed, PutOptions::default()).await.blob("write", RETENTION_BLOB)
}

/// Deriving takes long on purpose, so it leaves the async threads alone.
async fn derive(block: &FormatBlock, password: &str) -> Result<Key> {
    let password = Zeroizing::new(password.to_owned());
    let (algorithm, salt) = (block.key_algorithm.clone(), block.unique_id.clone());
    tokio::task::spawn_blocking(move || kdf::from_password(&algorithm, password.as_bytes(), &salt))
        .await
        .map_err(|_| Error::Worker)?
}

fn not_json(what: &str, source: &serde_json::Error) -> Error {
    Error::damaged(what, format!("invalid JSON: {source}"))
}

fn unserializable(source: &serde_json::Error) -> Error {
    Error::InvalidArgument(format!("cannot be written as JSON: {source}"))
}

#[cfg(test)]
mod tests;

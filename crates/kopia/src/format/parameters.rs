//! The inner JSON of the format blob, and the retention blob's.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{CreateOptions, FORMAT_BLOB, not_json, unserializable};
use crate::blob::{Retention, RetentionMode};
use crate::crypto::{EncryptionAlgorithm, HashAlgorithm, random};
use crate::splitter::Splitter;
use crate::{Error, Result, ecc};

pub(super) const MAX_VERSION: u32 = 3;
const MIB: u64 = 1 << 20;
const KNOWN_FEATURES: [&str; 2] = ["index-v1", "index-v2"];

/// The parameters of a repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryParameters {
    /// The name of the hash function.
    pub hash: String,
    /// The name of the cipher.
    pub encryption: String,
    /// The name of the error correction, empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ecc: String,
    /// Its overhead in percent, 0 for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ecc_overhead_percent: u32,
    /// The key of the hash function.
    #[serde(default)]
    pub secret: Secret,
    /// The root of the encryption keys.
    #[serde(default)]
    pub master_key: Secret,
    /// 1, 2 or 3.
    pub version: u32,
    /// Bytes at which a pack is finished.
    pub max_pack_size: u64,
    /// 1 or 2 (0 means 1).
    #[serde(default)]
    pub index_version: u8,
    /// How index blobs are grouped and compacted.
    #[serde(default)]
    pub epoch_parameters: EpochParameters,
    /// Whether keys depend on the master key only.
    #[serde(default)]
    pub enable_password_change: bool,
    /// The name of the splitter.
    #[serde(default)]
    pub splitter: String,
    /// Held while the repository is upgraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade_lock: Option<UpgradeLock>,
    /// What a client must understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_features: Vec<RequiredFeature>,
}

/// The epoch manager's settings; the spelling of the keys is Go's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EpochParameters {
    /// Whether index blobs are grouped into epochs (always from version 2 on).
    pub enabled: bool,
    /// For how long a listing of the index blobs may be used.
    pub epoch_refresh_frequency: GoDuration,
    /// Epochs in a range checkpoint.
    pub full_checkpoint_frequency: u64,
    /// How long superseded index blobs stay.
    pub cleanup_safety_margin: GoDuration,
    /// The least time between the first and last index blob of an epoch that ends.
    pub min_epoch_duration: GoDuration,
    /// Index blobs after which an epoch ends.
    pub epoch_advance_on_count_threshold: u64,
    /// Bytes of index blobs after which an epoch ends.
    pub epoch_advance_on_total_size_bytes_threshold: u64,
    /// Deletions at the same time.
    pub delete_parallelism: u64,
}

impl Default for EpochParameters {
    /// Disabled, as in version 1.
    fn default() -> Self {
        Self {
            enabled: false,
            epoch_refresh_frequency: GoDuration::from_secs(0),
            full_checkpoint_frequency: 0,
            cleanup_safety_margin: GoDuration::from_secs(0),
            min_epoch_duration: GoDuration::from_secs(0),
            epoch_advance_on_count_threshold: 0,
            epoch_advance_on_total_size_bytes_threshold: 0,
            delete_parallelism: 0,
        }
    }
}

impl EpochParameters {
    /// What new repositories get.
    pub fn enabled() -> Self {
        Self {
            enabled: true,
            epoch_refresh_frequency: GoDuration::from_secs(20 * 60),
            full_checkpoint_frequency: 7,
            cleanup_safety_margin: GoDuration::from_secs(4 * 3600),
            min_epoch_duration: GoDuration::from_secs(24 * 3600),
            epoch_advance_on_count_threshold: 20,
            epoch_advance_on_total_size_bytes_threshold: 10 << 20,
            delete_parallelism: 4,
        }
    }
}

/// A duration as Go writes it: whole nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GoDuration(pub i64);

impl GoDuration {
    /// From whole seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds * 1_000_000_000)
    }

    /// As a duration of this language.
    pub fn get(self) -> SignedDuration {
        SignedDuration::from_nanos(self.0)
    }
}

/// Bytes that are wiped when dropped and never printed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(#[serde(with = "base64_secret")] Zeroizing<Vec<u8>>);

impl Secret {
    fn random() -> Result<Self> {
        Ok(Self(Zeroizing::new(random::<32>()?.to_vec())))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The lock of a client that upgrades the repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeLock {
    /// Who holds it; empty when nobody does.
    #[serde(rename = "ownerID", default)]
    pub owner_id: String,
}

/// Something that a client must understand to open the repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequiredFeature {
    /// Its name.
    pub feature: String,
    /// What a client without it does.
    #[serde(default)]
    pub if_not_understood: IfNotUnderstood,
}

/// What a client that lacks a required feature does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct IfNotUnderstood {
    /// Warn instead of refusing.
    #[serde(default)]
    pub warn: bool,
}

impl RepositoryParameters {
    pub(crate) fn created(options: &CreateOptions) -> Result<Self> {
        let modern = options.version > 1;
        let ecc_overhead_percent = if modern { options.ecc_overhead_percent } else { 0 };
        Ok(Self {
            hash: options.hash.clone(),
            encryption: options.encryption.clone(),
            ecc: if ecc_overhead_percent > 0 { ecc::ALGORITHM.into() } else { String::new() },
            ecc_overhead_percent,
            secret: Secret::random()?,
            master_key: Secret::random()?,
            version: options.version,
            max_pack_size: 20 * MIB,
            index_version: if modern { 2 } else { 1 },
            epoch_parameters: if modern { EpochParameters::enabled() } else { EpochParameters::default() },
            enable_password_change: modern,
            splitter: options.splitter.clone(),
            upgrade_lock: None,
            required_features: Vec::new(),
        })
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Inner {
            format: RepositoryParameters,
        }
        let inner: Inner = serde_json::from_slice(json).map_err(|source| not_json(FORMAT_BLOB, &source))?;
        Ok(inner.format)
    }

    pub(super) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>> {
        #[derive(Serialize)]
        struct Inner<'a> {
            format: &'a RepositoryParameters,
        }
        serde_json::to_vec(&Inner { format: self })
            .map(Zeroizing::new)
            .map_err(|source| unserializable(&source))
    }

    /// Whether index blobs are grouped into epochs.
    pub(crate) fn has_epochs(&self) -> bool {
        self.epoch_parameters.enabled && self.version > 1
    }

    /// Refuses what we do not understand.
    pub(super) fn check(&self) -> Result<()> {
        let unsupported = |what: String| Err(Error::Unsupported(what));
        if !(1..=MAX_VERSION).contains(&self.version) {
            return unsupported(format!("version {}", self.version));
        }
        if self.index_version > 2 {
            return unsupported(format!("index version {}", self.index_version));
        }
        if !(10 * MIB..=120 * MIB).contains(&self.max_pack_size) {
            return unsupported(format!("maximum pack size {}", self.max_pack_size));
        }
        if let Some(lock) = self.upgrade_lock.as_ref().filter(|lock| !lock.owner_id.is_empty()) {
            return Err(Error::UpgradeLocked { owner: lock.owner_id.clone() });
        }
        for required in &self.required_features {
            if KNOWN_FEATURES.contains(&required.feature.as_str()) {
                continue;
            }
            if !required.if_not_understood.warn {
                return unsupported(format!("required feature {:?}", required.feature));
            }
            tracing::warn!(
                feature = required.feature,
                "the repository uses a feature that is not understood"
            );
        }
        if self.ecc_overhead_percent > 0 && (self.ecc != ecc::ALGORITHM || self.ecc_overhead_percent > 100) {
            return unsupported(format!("error correction {:?}", self.ecc));
        }
        HashAlgorithm::from_name(&self.hash)?;
        EncryptionAlgorithm::from_name(&self.encryption)?;
        Splitter::from_name(&self.splitter).map(|_| ())
    }
}

/// `kopia.blobcfg`: the object lock that new blobs get.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageRetention {
    /// None means no retention.
    #[serde(rename = "retentionMode", default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RetentionMode>,
    /// For how long; less than a day means no retention.
    #[serde(rename = "retentionPeriod", default, skip_serializing_if = "Option::is_none")]
    pub period: Option<GoDuration>,
}

impl StorageRetention {
    /// The lock of a blob written `now`.
    pub fn active(&self, now: Timestamp) -> Option<Retention> {
        let period = self.period.filter(|period| *period >= GoDuration::from_secs(24 * 3600))?;
        Some(Retention { mode: self.mode?, until: now.saturating_add(period.get()).ok()? })
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        STANDARD.decode(text).map_err(|_| de::Error::custom("invalid base64"))
    }
}

mod base64_secret {
    use serde::{Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(
        bytes: &Zeroizing<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::base64_bytes::serialize(bytes, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        super::base64_bytes::deserialize(deserializer).map(Zeroizing::new)
    }
}

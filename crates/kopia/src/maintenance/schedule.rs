//! When maintenance is due, who owns it, and what was done: a manifest and the blob `kopia.maintenance`.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RanMode, safety};
use crate::blob::{BlobStoreExt, PutOptions};
use crate::crypto::random;
use crate::error::BlobContext;
use crate::format::{Format, GoDuration};
use crate::manifest::{Labels, Manifests, TYPE_LABEL};
use crate::repository::Repository;
use crate::writer::Writer;
use crate::{Error, Result};

/// The schedule blob.
pub(super) const BLOB: &str = "kopia.maintenance";

const AAD: &[u8] = b"maintenance";
const NONCE: usize = 12;
const MAX_RUNS: usize = 50;
const PARAMETERS_TYPE: &str = "maintenance";

/// The maintenance parameters of a repository, kept as a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// `user@host`: the only client that runs maintenance.
    pub owner: String,
    /// Maintenance of epochs.
    pub quick: Cycle,
    /// Maintenance of everything.
    pub full: Cycle,
    /// How many text logs stay.
    #[serde(default)]
    pub log_retention: LogRetention,
    /// Whether object locks are prolonged.
    #[serde(default)]
    pub extend_object_locks: bool,
    /// Listings at the same time; for other clients.
    #[serde(default)]
    pub list_parallelism: u64,
}

/// How often something is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// Whether it is done at all.
    pub enabled: bool,
    /// The time from one run to the next.
    pub interval: GoDuration,
}

/// How many text logs stay. A limit of 0 is none; all of them 0 means the default limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogRetention {
    /// Bytes.
    pub max_total_size: u64,
    /// Blobs.
    pub max_count: u64,
    /// Age.
    pub max_age: GoDuration,
}

impl LogRetention {
    /// The limits that count.
    pub(super) fn effective(&self) -> Self {
        let none = self.max_total_size == 0 && self.max_count == 0 && self.max_age.0 == 0;
        if none { Self::default() } else { self.clone() }
    }
}

impl Default for LogRetention {
    fn default() -> Self {
        Self { max_total_size: 1 << 30, max_count: 10_000, max_age: GoDuration::from_secs(30 * 24 * 3600) }
    }
}

impl Default for Parameters {
    /// Quick maintenance every hour and full maintenance every day, owned by nobody.
    fn default() -> Self {
        Self {
            owner: String::new(),
            quick: Cycle { enabled: true, interval: GoDuration::from_secs(3600) },
            full: Cycle { enabled: true, interval: GoDuration::from_secs(24 * 3600) },
            log_retention: LogRetention::default(),
            extend_object_locks: false,
            list_parallelism: 0,
        }
    }
}

impl Parameters {
    /// The parameters of a repository, if it has any. Of several the latest count.
    ///
    /// # Errors
    /// [`Error::Damaged`] when they cannot be read.
    pub fn of(manifests: &Manifests) -> Result<Option<Self>> {
        manifests.find(&[(TYPE_LABEL, PARAMETERS_TYPE)]).last().map(|manifest| manifest.data()).transpose()
    }
}

impl Writer {
    /// Sets the maintenance parameters in the place of earlier ones.
    ///
    /// # Errors
    /// As [`Writer::put_manifest`].
    pub fn set_maintenance_parameters(
        &self,
        manifests: &Manifests,
        parameters: &Parameters,
    ) -> Result<String> {
        for old in manifests.find(&[(TYPE_LABEL, PARAMETERS_TYPE)]) {
            self.delete_manifest(&old.id);
        }
        let labels: Labels = [(TYPE_LABEL.to_owned(), PARAMETERS_TYPE.to_owned())].into();
        self.put_manifest(labels, parameters)
    }
}

/// One run of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Whether it was carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub success: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Figures of other clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extra: Option<Value>,
}

impl Run {
    pub(super) fn new(start: Timestamp, end: Timestamp, error: Option<String>) -> Self {
        Self { start, end, success: error.is_none(), error, extra: None }
    }
}

/// When maintenance is due, and what was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// When full maintenance is due.
    #[serde(rename = "nextFullMaintenance", default)]
    pub next_full: Timestamp,
    /// When quick maintenance is due.
    #[serde(rename = "nextQuickMaintenance", default)]
    pub next_quick: Timestamp,
    /// The last fifty runs of each task, newest first.
    #[serde(default)]
    pub runs: BTreeMap<String, Vec<Run>>,
}

impl Schedule {
    /// Reads the schedule; everything is due where there is none.
    ///
    /// # Errors
    /// [`Error::Damaged`] and those of the store.
    pub async fn load(repository: &Repository) -> Result<Self> {
        match repository.store().get_if_exists(BLOB).await.blob("read", BLOB)? {
            Some(sealed) => Self::open(repository.format(), &sealed),
            None => Ok(Self {
                next_full: Timestamp::UNIX_EPOCH,
                next_quick: Timestamp::UNIX_EPOCH,
                runs: BTreeMap::new(),
            }),
        }
    }

    fn open(format: &Format, sealed: &[u8]) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(BLOB, reason);
        let (nonce, body) =
            sealed.split_first_chunk::<NONCE>().ok_or_else(|| damaged("it is cut short".into()))?;
        let mut body = body.to_vec();
        let json = cipher(format)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(AAD), &mut body)
            .map_err(|_| damaged("it does not decrypt".into()))?;
        serde_json::from_slice(json).map_err(|source| damaged(format!("invalid JSON: {source}")))
    }

    pub(super) async fn store(&self, repository: &Repository) -> Result<()> {
        let mut body = serde_json::to_vec(self)
            .map_err(|source| Error::InvalidArgument(format!("the schedule cannot be written: {source}")))?;
        let nonce = random::<NONCE>()?;
        cipher(repository.format())?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(AAD), &mut body)
            .map_err(|_| Error::Unsupported("a schedule too large to encrypt".into()))?;
        let sealed = [&nonce[..], &body].concat();
        repository.store().put(BLOB, sealed.into(), PutOptions::default()).await.blob("write", BLOB)
    }

    /// Sets when maintenance is due next.
    pub(super) fn begin(&mut self, mode: RanMode, parameters: &Parameters, now: Timestamp) {
        let after = |cycle: &Cycle| now.saturating_add(cycle.interval.get()).unwrap_or(now);
        self.next_quick = after(&parameters.quick);
        if mode == RanMode::Full {
            self.next_full = after(&parameters.full);
        }
    }

    pub(super) fn record(&mut self, task: &str, run: Run) {
        let runs = self.runs.entry(task.to_owned()).or_default();
        runs.insert(0, run);
        runs.truncate(MAX_RUNS);
    }

    /// The successful runs of a task, newest first.
    pub(super) fn successes(&self, task: &str) -> impl Iterator<Item = &Run> {
        self.runs.get(task).into_iter().flatten().filter(|run| run.success)
    }

    /// Contents deleted before this time were seen as garbage by two collections far apart.
    pub(super) fn drop_time(&self) -> Option<Timestamp> {
        let mut runs = self.successes("snapshot-gc");
        let newest = runs.next()?;
        let earlier = runs.find(|run| newest.start.duration_since(run.end) > safety::BETWEEN_COLLECTIONS)?;
        earlier.start.checked_sub(safety::DROP_MARGIN).ok()
    }

    pub(super) fn last_success(&self, task: &str) -> Option<&Run> {
        self.successes(task).next()
    }
}

fn cipher(format: &Format) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, &**format.maintenance_key())
        .map(LessSafeKey::new)
        .map_err(|_| Error::Unsupported("AES-256-GCM".into()))
}

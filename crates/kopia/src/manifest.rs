//! Manifests: small labelled JSON documents, the roots of everything else in a repository.
//!
//! They are never edited. Each flush of a session adds one content with what was put and deleted; the latest entry of an ID
//! counts, and a deletion is an entry as well.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::content::ContentStore;
use crate::content_id::{ContentId, Prefix};
use crate::crypto::random;
use crate::{Error, Result, compression, json};

/// The labels of a manifest. `type` is mandatory.
pub type Labels = BTreeMap<String, String>;

/// The label that every manifest has.
pub const TYPE_LABEL: &str = "type";

const PARALLEL_READS: usize = 16;
/// A content with more JSON than this is refused.
const MAX_JSON: usize = 1 << 28;

/// A labelled document.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// 32 hexadecimal digits.
    pub id: String,
    /// What it can be found by.
    pub labels: Labels,
    /// When it was put.
    pub modified: Timestamp,
    data: Option<Box<RawValue>>,
}

impl Manifest {
    /// Decodes the document.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is not a `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T> {
        let json = self.data.as_ref().map_or("null", |data| data.get());
        serde_json::from_str(json).map_err(|source| {
            Error::damaged(format!("manifest {}", self.id), format!("invalid document: {source}"))
        })
    }

    /// Whether all of `labels` are there with these values.
    pub fn has_labels(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(key, value)| self.labels.get(*key).is_some_and(|found| found == value))
    }
}

/// All manifests of a repository at one point in time.
#[derive(Debug, Clone, Default)]
pub struct Manifests {
    by_id: BTreeMap<String, Manifest>,
    contents: Vec<ContentId>,
}

impl Manifests {
    /// Reads the manifests that the index of `contents` knows of.
    ///
    /// # Errors
    /// Those of reading contents; [`Error::Damaged`] for one that is not a list of manifests.
    pub async fn load(contents: &ContentStore) -> Result<Self> {
        let entries = contents.index().scan_prefix(Prefix::MANIFEST)?;
        let live: Vec<ContentId> = entries
            .filter(|entry| entry.as_ref().map_or(true, |entry| !entry.deleted))
            .map(|entry| entry.map(|entry| entry.id))
            .collect::<Result<_>>()?;
        let mut latest: HashMap<String, Stored> = HashMap::new();
        let mut reading = stream::iter(live.clone()).map(|id| read(contents, id)).buffered(PARALLEL_READS);
        while let Some(entries) = reading.try_next().await? {
            for entry in entries {
                if latest.get(&entry.id).is_none_or(|known| entry.modified > known.modified) {
                    latest.insert(entry.id.clone(), entry);
                }
            }
        }
        drop(reading);
        let living = latest.into_values().filter(|stored| !stored.deleted).map(Stored::into_manifest);
        let by_id = living.map(|manifest| (manifest.id.clone(), manifest)).collect();
        Ok(Self { by_id, contents: live })
    }

    /// The manifest with this ID.
    ///
    /// # Errors
    /// [`Error::ManifestNotFound`].
    pub fn get(&self, id: &str) -> Result<&Manifest> {
        self.by_id.get(id).ok_or_else(|| Error::ManifestNotFound(id.to_owned()))
    }

    /// The manifests with all of `labels`, oldest first.
    pub fn find(&self, labels: &[(&str, &str)]) -> Vec<&Manifest> {
        let mut found: Vec<_> = self.by_id.values().filter(|manifest| manifest.has_labels(labels)).collect();
        found.sort_by_key(|manifest| manifest.modified);
        found
    }

    /// All manifests, by ID.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.by_id.values()
    }

    /// The contents that they were read from.
    pub(crate) fn contents(&self) -> &[ContentId] {
        &self.contents
    }
}

/// One entry of a manifest content.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    id: String,
    labels: Option<Labels>,
    modified: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    data: Option<Box<RawValue>>,
}

#[derive(Serialize, Deserialize)]
struct Entries<T> {
    entries: Vec<T>,
}

impl Stored {
    /// A new manifest, with an ID of its own.
    pub(crate) fn new(labels: Labels, data: &impl Serialize, modified: Timestamp) -> Result<Self> {
        let reserved = labels.get(TYPE_LABEL).is_some_and(|kind| !kind.is_empty());
        if !reserved {
            return Err(Error::InvalidArgument("a manifest needs the label \"type\"".into()));
        }
        let data = json::to_raw(data).map_err(|source| unwritable(&source))?;
        let id = hex::encode(random::<16>()?);
        Ok(Self { id, labels: Some(labels), modified, deleted: false, data: Some(data) })
    }

    /// The deletion of a manifest.
    pub(crate) fn tombstone(id: &str, modified: Timestamp) -> Self {
        Self { id: id.to_owned(), labels: None, modified, deleted: true, data: None }
    }

    /// What remains of a manifest when manifests are compacted: itself.
    pub(crate) fn kept(manifest: &Manifest) -> Self {
        Self {
            id: manifest.id.clone(),
            labels: Some(manifest.labels.clone()),
            modified: manifest.modified,
            deleted: false,
            data: manifest.data.clone(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    fn into_manifest(self) -> Manifest {
        Manifest {
            id: self.id,
            labels: self.labels.unwrap_or_default(),
            modified: self.modified,
            data: self.data,
        }
    }
}

/// The plaintext of a manifest content.
pub(crate) fn encode(entries: &[Stored]) -> Result<Vec<u8>> {
    let mut json =
        json::to_vec(&Entries { entries: entries.iter().collect() }).map_err(|source| unwritable(&source))?;
    json.push(b'\n');
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let failed = |source| Error::InvalidArgument(format!("manifests cannot be compressed: {source}"));
    encoder.write_all(&json).map_err(failed)?;
    encoder.finish().map_err(failed)
}

async fn read(contents: &ContentStore, id: ContentId) -> Result<Vec<Stored>> {
    let compressed = contents.read(&id).await?;
    decode(&format!("manifests in content {id}"), &compressed, MAX_JSON)
}

/// The entries of a manifest content, of at most `limit` bytes of JSON; `what` names it in errors.
pub(crate) fn decode(what: &str, compressed: &[u8], limit: usize) -> Result<Vec<Stored>> {
    let json = compression::read_all(what, MultiGzDecoder::new(compressed), limit)?;
    let list: Entries<Stored> = serde_json::from_slice(&json)
        .map_err(|source| Error::damaged(what, format!("invalid JSON: {source}")))?;
    Ok(list.entries)
}

fn unwritable(source: &serde_json::Error) -> Error {
    Error::InvalidArgument(format!("a manifest cannot be written: {source}"))
}

//! Snapshots: a manifest with the root of a tree of directory objects.

mod checkpoint;
mod directory;
mod listing;
mod packed;
mod policy;
mod summary;

use std::collections::BTreeMap;
use std::path::{Component, Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::content::ContentStore;
use crate::manifest::{Labels, Manifest, Manifests, TYPE_LABEL};
use crate::{Error, Result};

pub use checkpoint::{CHECKPOINT, CHECKPOINT_INTERVAL};
pub use directory::{Directory, DirectoryEntry, EntryKind, FileMode, Xattrs};
pub(crate) use listing::Listing;
pub(crate) use packed::{FilesFirst, PackedEntries};
pub use policy::Policy;
pub use summary::{EntryError, Summary};

/// Bytes of the listings of folders that an upload or a restore keeps in memory unless told otherwise.
pub(crate) const LISTING_MEMORY: usize = 16 << 20;

/// The value of the `type` label.
pub const SNAPSHOT_TYPE: &str = "snapshot";

const RESERVED_LABELS: [&str; 4] = [TYPE_LABEL, "hostname", "username", "path"];

/// What was backed up: all snapshots of a source form its history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The machine, or whatever stands for it.
    pub host: String,
    /// The user.
    pub user_name: String,
    /// The path; free text for the repository.
    pub path: String,
}

impl Source {
    /// The labels that find the source's manifests of a type.
    pub fn labels<'a>(&'a self, kind: &'a str) -> [(&'a str, &'a str); 4] {
        [(TYPE_LABEL, kind), ("hostname", &self.host), ("username", &self.user_name), ("path", &self.path)]
    }
}

/// The document of a snapshot manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The manifest ID; stored empty.
    #[serde(default)]
    pub id: String,
    /// What was backed up.
    pub source: Source,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// When the upload began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// Counters of the upload.
    #[serde(default)]
    pub stats: Stats,
    /// Why the snapshot is not whole; `None` for a whole one.
    #[serde(rename = "incomplete", default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
    /// The root of the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_entry: Option<DirectoryEntry>,
    /// Labels of the user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Names that protect the snapshot from expiry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
}

/// Counters of an upload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    /// Bytes of all files, read or reused.
    pub total_size: u64,
    /// Bytes of files left out on purpose.
    pub excluded_total_size: u64,
    /// Files that were read.
    pub file_count: u64,
    /// Files taken over from the parent snapshot.
    pub cached_files: u64,
    /// Files that were read, again.
    pub non_cached_files: u64,
    /// Directories.
    pub dir_count: u64,
    /// Files left out on purpose.
    pub excluded_file_count: u64,
    /// Directories left out on purpose.
    pub excluded_dir_count: u64,
    /// Errors that do not make the snapshot a failure.
    pub ignored_error_count: u64,
    /// Errors.
    pub error_count: u64,
}

impl Snapshot {
    /// Reads a snapshot manifest.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the manifest is something else.
    pub fn from_manifest(manifest: &Manifest) -> Result<Self> {
        if manifest.labels.get(TYPE_LABEL).map(String::as_str) != Some(SNAPSHOT_TYPE) {
            return Err(Error::damaged(format!("manifest {}", manifest.id), "it is not a snapshot"));
        }
        Ok(Self { id: manifest.id.clone(), ..manifest.data()? })
    }

    /// The root of the tree.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there is none.
    pub fn root(&self) -> Result<&DirectoryEntry> {
        self.root_entry
            .as_ref()
            .ok_or_else(|| Error::damaged(format!("snapshot {}", self.id), "it has no root"))
    }

    /// Whether the snapshot is whole.
    pub fn is_complete(&self) -> bool {
        self.incomplete.as_ref().is_none_or(String::is_empty)
    }

    /// The labels of the manifest.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a tag has the name of a reserved label.
    pub fn labels(&self) -> Result<Labels> {
        if let Some(tag) = self.tags.keys().find(|tag| RESERVED_LABELS.contains(&tag.as_str())) {
            return Err(Error::InvalidArgument(format!("the tag {tag:?} is reserved")));
        }
        let own = self.source.labels(SNAPSHOT_TYPE).map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(own.into_iter().chain(self.tags.clone()).collect())
    }
}

/// The snapshots of a source, or of all, oldest first. Incomplete ones are among them.
///
/// # Errors
/// [`Error::Damaged`] naming a manifest that cannot be read.
pub fn list(manifests: &Manifests, source: Option<&Source>) -> Result<Vec<Snapshot>> {
    let found = match source {
        Some(source) => manifests.find(&source.labels(SNAPSHOT_TYPE)),
        None => manifests.find(&[(TYPE_LABEL, SNAPSHOT_TYPE)]),
    };
    let mut snapshots: Vec<_> = found.into_iter().map(Snapshot::from_manifest).collect::<Result<_>>()?;
    snapshots.sort_by_key(|snapshot| snapshot.start_time);
    Ok(snapshots)
}

/// The entry at a path below `root`, which is `root` itself for an empty path. Names are compared with the exact ones.
///
/// # Errors
/// [`Error::InvalidArgument`] when there is no such entry; those of reading directories.
pub async fn entry_at(contents: &ContentStore, root: &DirectoryEntry, path: &Path) -> Result<DirectoryEntry> {
    let missing =
        || Error::InvalidArgument(format!("no such file or directory in the snapshot: {}", path.display()));
    let mut entry = root.clone();
    for component in path.components() {
        let name = match component {
            Component::Normal(name) => name,
            Component::CurDir | Component::RootDir => continue,
            Component::ParentDir | Component::Prefix(_) => return Err(missing()),
        };
        if entry.kind != EntryKind::Directory {
            return Err(missing());
        }
        let directory = Directory::read(contents, entry.object()?).await?;
        entry = directory.entries.into_iter().find(|child| child.file_name() == name).ok_or_else(missing)?;
    }
    Ok(entry)
}

/// The snapshot that an upload of `source` builds on: the latest complete one with all of `tags`.
///
/// # Errors
/// As [`list`].
pub fn parent(manifests: &Manifests, source: &Source, tags: &[(&str, &str)]) -> Result<Option<Snapshot>> {
    let tagged = |snapshot: &Snapshot| {
        tags.iter().all(|(key, value)| snapshot.tags.get(*key).is_some_and(|found| found == value))
    };
    let snapshots = list(manifests, Some(source))?;
    Ok(snapshots.into_iter().rfind(|snapshot| snapshot.is_complete() && tagged(snapshot)))
}

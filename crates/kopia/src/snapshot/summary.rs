//! What directory listings say of all that lies below a directory.

use std::borrow::Borrow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::directory::{DirectoryEntry, EntryKind, epoch, is_default};

/// What lies below a directory, itself counted among the directories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Bytes of all files.
    #[serde(default)]
    pub size: u64,
    /// Files.
    #[serde(default)]
    pub files: u64,
    /// Symbolic links.
    #[serde(default)]
    pub symlinks: u64,
    /// Directories.
    #[serde(default)]
    pub dirs: u64,
    /// The latest change below; of an empty directory its own.
    #[serde(default = "epoch")]
    pub max_time: Timestamp,
    /// Why the listing is not whole.
    #[serde(rename = "incomplete", default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
    /// Entries that could not be read.
    #[serde(default)]
    pub num_failed: u64,
    /// Entries left out because they could not be read and need not be.
    #[serde(default, skip_serializing_if = "is_default")]
    pub num_ignored_errors: u64,
    /// The first ten of them, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<EntryError>,
}

/// An entry that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryError {
    /// The path, relative to the root of the tree.
    pub path: String,
    /// What went wrong.
    pub error: String,
}

const MAX_ERRORS: usize = 10;

impl Summary {
    /// That of an empty directory last changed at `modified`.
    pub fn empty(modified: Timestamp) -> Self {
        Self {
            size: 0,
            files: 0,
            symlinks: 0,
            dirs: 1,
            max_time: modified,
            incomplete: None,
            num_failed: 0,
            num_ignored_errors: 0,
            errors: Vec::new(),
        }
    }

    /// That of a directory with these entries; `modified` is its own time.
    pub fn of<E: Borrow<DirectoryEntry>>(entries: impl IntoIterator<Item = E>, modified: Timestamp) -> Self {
        let mut totals = Totals::new(modified);
        entries.into_iter().for_each(|entry| totals.add(entry.borrow()));
        totals.finish()
    }

    fn add(&mut self, below: &Self) {
        self.size += below.size;
        self.files += below.files;
        self.symlinks += below.symlinks;
        self.dirs += below.dirs;
        self.num_failed += below.num_failed;
        self.num_ignored_errors += below.num_ignored_errors;
        self.add_errors(below.errors.iter().cloned());
    }

    /// Adds failed entries, and keeps the first ten.
    pub fn add_errors(&mut self, errors: impl IntoIterator<Item = EntryError>) {
        self.errors.extend(errors);
        Self::keep_first(&mut self.errors);
    }

    /// Keeps the first ten by path.
    pub(crate) fn keep_first(errors: &mut Vec<EntryError>) {
        errors.sort_by(|a, b| a.path.cmp(&b.path));
        errors.truncate(MAX_ERRORS);
    }
}

/// A summary in the making.
#[derive(Debug)]
pub(crate) struct Totals {
    total: Summary,
    latest: Option<Timestamp>,
}

impl Totals {
    /// Of a directory last changed at `modified`.
    pub(crate) fn new(modified: Timestamp) -> Self {
        Self { total: Summary::empty(modified), latest: None }
    }

    /// Adds an entry of the directory.
    pub(crate) fn add(&mut self, entry: &DirectoryEntry) {
        let below = entry.summary.as_ref().map_or(entry.modified, |below| below.max_time);
        self.latest = self.latest.max(Some(entry.modified.max(below)));
        match (entry.kind, &entry.summary) {
            (EntryKind::Directory, Some(below)) => self.total.add(below),
            (EntryKind::Symlink, _) => self.total.symlinks += 1,
            (EntryKind::File, _) => {
                self.total.files += 1;
                self.total.size += entry.size;
            }
            _ => {}
        }
    }

    pub(crate) fn finish(mut self) -> Summary {
        self.total.max_time = self.latest.unwrap_or(self.total.max_time);
        self.total
    }
}

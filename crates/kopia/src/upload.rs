//! Uploads of file trees and streams.
//!
//! Threads take jobs (list a directory, store some of its files, help with the chunks of a large file) from one stack, so
//! that the tree is walked in depth and little of it is open at a time. A directory is stored when its last child is.

mod checkpoint;
mod children;
mod files;
mod jobs;
mod local;
mod room;
mod source;
mod spread;
mod tree;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::Result;
use crate::content::blocking;
use crate::error::Error;
use crate::object;
use crate::records::Allowance;
use crate::snapshot::{
    self, DirectoryEntry, EntryError, EntryKind, FileMode, Listing, PackedEntries, Snapshot, Stats,
};
use crate::splitter::Splitter;
use crate::writer::Writer;

pub use checkpoint::{CHECKPOINT, Checkpoints, SaveCheckpoint, SnapshotCheckpoints};
pub use local::LocalTree;
pub use source::{Attributes, Child, Source, SourceFile, SourceFolder, SourceKind, SourceRoot};

/// How to upload.
#[derive(Debug, Clone)]
pub struct UploadOptions {
    /// Threads that read and compute.
    pub threads: usize,
    /// Bytes of the listings of folders that may be in memory together; what exceeds them goes to temporary files.
    pub listing_memory: usize,
    /// Whether extended attributes are stored (see [`crate::snapshot`]).
    pub xattrs: bool,
    /// Ends the upload with [`Error::Cancelled`].
    pub cancel: CancellationToken,
    /// Whether and how what is there is saved during long uploads.
    pub checkpoints: Option<Checkpoints>,
    /// Told about every file.
    pub observer: Arc<dyn UploadObserver>,
}

impl Default for UploadOptions {
    /// As many threads as the machine has cores, extended attributes, no checkpoints, no observer.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            threads,
            listing_memory: snapshot::LISTING_MEMORY,
            xattrs: true,
            cancel: CancellationToken::new(),
            checkpoints: None,
            observer: Arc::new(()),
        }
    }
}

/// Follows an upload. Called from many threads; must be quick.
pub trait UploadObserver: Debug + Send + Sync {
    /// Bytes of a file were read and stored (or found to be stored already).
    fn on_bytes(&self, _count: u64) {}
    /// A file, link or directory is done.
    fn on_entry(&self, _path: &Path, _outcome: &Outcome) {}
}

impl UploadObserver for () {}

/// What became of an entry of the tree.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was read.
    Stored {
        /// Bytes.
        size: u64,
    },
    /// It looks as it did in the parent snapshot and was not read.
    Unchanged {
        /// Bytes.
        size: u64,
    },
    /// It changed while it was read, so what is stored may be a mixture.
    Changed {
        /// Bytes.
        size: u64,
    },
    /// It vanished between listing and reading, and is left out.
    Vanished,
    /// It is a device, a socket or a pipe, and is left out.
    Special,
    /// It could not be read, and is left out.
    Failed(std::io::Error),
}

/// A finished upload; a snapshot is made from it.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// The root of the stored tree.
    pub root: DirectoryEntry,
    /// Counters.
    pub stats: Stats,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// The entries that could not be read, up to a hundred.
    pub failures: Vec<EntryError>,
    /// Entries that changed while they were read.
    pub changed: u64,
    /// Devices, sockets and pipes that were left out.
    pub special: u64,
}

impl Uploaded {
    /// A whole snapshot of `source` with this tree, as yet without description, tags and pins.
    pub fn snapshot(self, source: snapshot::Source) -> Snapshot {
        Snapshot {
            id: String::new(),
            source,
            description: String::new(),
            start_time: self.started,
            end_time: self.ended,
            stats: self.stats,
            incomplete: None,
            root_entry: Some(self.root),
            tags: BTreeMap::new(),
            pins: Vec::new(),
        }
    }
}

/// Uploads a directory, or a single file, and all below it. `parent` is the root of an earlier snapshot of the same source:
/// what looks unchanged since is not read.
///
/// # Errors
/// Those of the store; [`Error::File`] when the root itself cannot be read; [`Error::Cancelled`]. Entries that cannot be
/// read do not end the upload, they are counted and named.
pub async fn upload_tree(
    writer: &Writer,
    root: impl Into<PathBuf>,
    parent: Option<DirectoryEntry>,
    options: UploadOptions,
) -> Result<Uploaded> {
    let root = root.into();
    let opened = blocking(move || {
        LocalTree::open(&root).map_err(|source| Error::File { action: "open", path: root, source })
    });
    upload_source(writer, Arc::new(opened.await?), parent, options).await
}

/// As [`upload_tree`], of a tree that need not lie on a disk.
///
/// # Errors
/// As [`upload_tree`].
pub async fn upload_source(
    writer: &Writer,
    source: Arc<dyn Source>,
    parent: Option<DirectoryEntry>,
    options: UploadOptions,
) -> Result<Uploaded> {
    let contents = writer.contents().clone();
    let listings = Allowance::new(options.listing_memory);
    blocking(move || tree::run(&contents, source, parent.as_ref(), &options, &listings)).await
}

/// Uploads what `source` yields as the only entry of a synthetic directory, both called `name`: the form of a block device,
/// whose name is its whole path.
///
/// # Errors
/// Those of the store; [`Error::File`] when the source fails; [`Error::Cancelled`].
pub async fn upload_stream(
    writer: &Writer,
    name: &str,
    source: Box<dyn Read + Send>,
    options: UploadOptions,
) -> Result<Uploaded> {
    let (contents, name) = (writer.contents().clone(), name.to_owned());
    blocking(move || {
        let started = contents.contents().clock().now();
        let (object, size) = jobs::with_helpers(&contents, &options, |shared| {
            let mut sink = spread::Spread::new(shared);
            let mut source = spread::Watched { inner: source, options: &options };
            let splitter = Splitter::from_name(&contents.contents().format().parameters().splitter)?;
            let stored =
                object::write_stream(&mut source, None, splitter, &mut sink, &contents, &mut Vec::new())?;
            stored.map_err(|source| read_error(&options, name.as_ref(), source))
        })?;
        let file = DirectoryEntry { size, object: Some(object), ..synthetic(&name, EntryKind::File) };
        let mut entries = PackedEntries::new(&Allowance::new(options.listing_memory));
        entries.push(&file)?;
        let summary = entries.summary(file.modified)?;
        let listing = Listing::new(entries, summary.clone())?.store(&contents)?;
        let root = DirectoryEntry {
            object: Some(listing),
            summary: Some(Box::new(summary)),
            ..synthetic(&name, EntryKind::Directory)
        };
        let stats =
            Stats { total_size: size, file_count: 1, non_cached_files: 1, dir_count: 1, ..Stats::default() };
        let ended = contents.contents().clock().now();
        Ok(Uploaded { root, stats, started, ended, failures: Vec::new(), changed: 0, special: 0 })
    })
    .await
}

/// Go's zero time after an overflow, which is what Velero stores for entries without a time.
const NO_TIME: i128 = -6_795_364_578_871_345_152;

fn synthetic(name: &str, kind: EntryKind) -> DirectoryEntry {
    DirectoryEntry {
        mode: FileMode(0o777),
        modified: Timestamp::from_nanosecond(NO_TIME).unwrap_or(Timestamp::UNIX_EPOCH),
        ..DirectoryEntry::new(name.as_ref(), kind)
    }
}

/// A reading error, or the cancellation behind it.
fn read_error(options: &UploadOptions, path: &Path, source: std::io::Error) -> Error {
    if options.cancel.is_cancelled() {
        return Error::Cancelled;
    }
    Error::File { action: "read", path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;

//! Restores of file trees and single objects.
//!
//! One thread walks the tree and makes folders; what files need is collected, sorted by its place in packs, and read in
//! large ranges, several at a time. Blocking threads decrypt and write. So small files come by whole stretches of packs and
//! parts of large files in parallel, and the latency of a far store is hidden.

mod fetch;
mod plan;
mod target;
pub(crate) mod walk;

use std::borrow::Cow;
use std::fmt::Debug;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use self::fetch::{Fetcher, Receiver};
use self::plan::Wanted;
use crate::content::coalesce;
use crate::error::chain;
use crate::object::{ObjectId, ObjectReader};
use crate::records::Allowance;
use crate::snapshot::{Directory, DirectoryEntry, EntryError, EntryKind, LISTING_MEMORY};
use crate::{Error, Repository, Result};

/// How to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Ranges of packs read at the same time, each of at most 8 MiB.
    pub parallel_reads: usize,
    /// Bytes of these that may be in memory; large ones wait for each other.
    pub read_memory: usize,
    /// Bytes of the listings of folders that may be in memory together; what exceeds them goes to temporary files.
    pub listing_memory: usize,
    /// Whether what is in the way is replaced; otherwise it is left alone and counted.
    pub overwrite: bool,
    /// Whether blocks of zeros become holes.
    pub sparse: bool,
    /// Whether owners are restored.
    pub owners: bool,
    /// Whether extended attributes are restored.
    pub xattrs: bool,
    /// Whether owners, modes, times and attributes that may not be set are passed over (and counted).
    pub ignore_permission_errors: bool,
    /// Ends the restore with [`Error::Cancelled`].
    pub cancel: CancellationToken,
    /// Told about every file.
    pub observer: Arc<dyn RestoreObserver>,
}

impl Default for RestoreOptions {
    /// As Velero restores: replace what is there, owners where allowed.
    fn default() -> Self {
        Self {
            parallel_reads: 16,
            read_memory: 48 << 20,
            listing_memory: LISTING_MEMORY,
            overwrite: true,
            sparse: false,
            owners: true,
            xattrs: true,
            ignore_permission_errors: true,
            cancel: CancellationToken::new(),
            observer: Arc::new(()),
        }
    }
}

/// Follows a restore. Called from many threads; must be quick.
pub trait RestoreObserver: Debug + Send + Sync {
    /// Bytes were written.
    fn on_bytes(&self, _count: u64) {}
    /// A file, link or directory is done.
    fn on_entry(&self, _path: &Path) {}
}

impl RestoreObserver for () {}

/// What a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files, whole.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Directories, with the root.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Entries that were there already and left alone.
    pub skipped: u64,
    /// Owners, modes, times and attributes that could not be set.
    pub ignored_errors: u64,
    /// Entries that could not be restored.
    pub failed: u64,
    /// The first hundred of them.
    pub failures: Vec<EntryError>,
}

const MAX_FAILURES: usize = 100;
/// Pieces of a stream that are sorted by their place together.
const PLANNED_PIECES: usize = 64;

/// Counted by all threads.
#[derive(Debug, Default)]
struct Counters {
    files: AtomicU64,
    bytes: AtomicU64,
    directories: AtomicU64,
    symlinks: AtomicU64,
    skipped: AtomicU64,
    ignored: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<EntryError>>,
}

impl Counters {
    fn fail(&self, path: &Path, error: &dyn std::error::Error) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < MAX_FAILURES {
            failures.push(EntryError { path: path.to_string_lossy().into_owned(), error: chain(error) });
        }
    }

    fn finish(&self) -> Restored {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut failures = std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        failures.sort_by(|a, b| a.path.cmp(&b.path));
        Restored {
            files: get(&self.files),
            bytes: get(&self.bytes),
            directories: get(&self.directories),
            symlinks: get(&self.symlinks),
            skipped: get(&self.skipped),
            ignored_errors: get(&self.ignored),
            failed: get(&self.failed),
            failures,
        }
    }
}

/// Restores the tree below `root` into the folder `target`, which is made if it is missing. A root that is a file becomes
/// the only file in it.
///
/// Nothing outside of `target` is touched, whatever the names in the snapshot and the links on disk.
///
/// # Errors
/// Those of the store; [`Error::File`] when the target cannot be made; [`Error::Cancelled`]. Entries that cannot be
/// restored, damaged ones too, do not end the restore: they are left out, counted and named.
pub async fn restore_tree(
    repository: &Repository,
    root: &DirectoryEntry,
    target: impl Into<PathBuf>,
    options: RestoreOptions,
) -> Result<Restored> {
    let listings = Allowance::new(options.listing_memory);
    walk::run(repository.contents().clone(), root.clone(), target.into(), options, listings).await
}

/// Writes an object to an open file or block device, its pieces in parallel, and answers its length.
///
/// # Errors
/// Those of reading; [`Error::File`] when writing fails; [`Error::Cancelled`].
pub async fn restore_object(
    repository: &Repository,
    object: ObjectId,
    target: Arc<File>,
    options: &RestoreOptions,
) -> Result<u64> {
    let contents = repository.contents();
    let (pieces, length) = {
        let reader = ObjectReader::open(contents, object).await?;
        (reader.pieces().to_vec(), reader.length())
    };
    let stream = Arc::new(Stream { target, options: options.clone() });
    let fetcher = Fetcher::new(contents.clone(), stream, options);
    let wanted = pieces.into_iter().filter(|piece| piece.length > 0).map(|piece| {
        let entry = contents.entry(&piece.content())?;
        Ok::<_, Error>(Wanted { file: (), piece, entry })
    });
    let planned = stream::iter(wanted).try_chunks(PLANNED_PIECES).map_err(|failed| failed.1);
    planned
        .map_ok(|wanted| stream::iter(coalesce(wanted)).map(Ok))
        .try_flatten()
        .try_for_each_concurrent(options.parallel_reads.max(1), |read| fetcher.fetch(read))
        .await?;
    Ok(length)
}

/// An open file or block device that an object is written to.
#[derive(Debug)]
struct Stream {
    target: Arc<File>,
    options: RestoreOptions,
}

impl Receiver<()> for Stream {
    fn receive(&self, wanted: &Wanted<()>, data: Result<Cow<'_, [u8]>>) -> Result<()> {
        let data = data?;
        target::write_at(&self.target, wanted.piece.start, &data, self.options.sparse)
            .map_err(|source| Error::File { action: "write", path: "the target".into(), source })?;
        self.options.observer.on_bytes(data.len() as u64);
        Ok(())
    }
}

/// The only entry of a snapshot whose root is a block device (see [`crate::upload::upload_stream`]).
///
/// # Errors
/// [`Error::InvalidArgument`] when there is not exactly one file.
pub async fn only_entry(repository: &Repository, root: &DirectoryEntry) -> Result<DirectoryEntry> {
    let directory = Directory::read(repository.contents(), root.object()?).await?;
    match <[DirectoryEntry; 1]>::try_from(directory.entries) {
        Ok([entry]) if entry.kind == EntryKind::File => Ok(entry),
        _ => Err(Error::InvalidArgument("the snapshot is not that of a single stream".into())),
    }
}

//! The walk over the snapshot: folders and links are made at once, files become wanted pieces.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::fetch::Fetcher;
use super::plan::{Collector, MAX_PIECES, Wanted};
use super::target::{Folder, Restoring, Target};
use super::{RestoreOptions, Restored};
use crate::content::{ContentStore, blocking};
use crate::object::ObjectReader;
use crate::records::Allowance;
use crate::snapshot::{DirectoryEntry, EntryKind, FileMode, FilesFirst, Listing, PackedEntries};
use crate::{Error, Result};

/// Reads planned ahead of those under way.
const PLANNED: usize = 16;
/// Pieces of those reads: small files are many, and each takes some hundred bytes.
const WANTED: usize = 2 * MAX_PIECES;
/// The longest target of a link.
const MAX_LINK: u64 = 1 << 16;
/// The deepest tree.
const MAX_DEPTH: usize = 2048;

pub(crate) async fn run(
    contents: Arc<ContentStore>,
    root: DirectoryEntry,
    path: PathBuf,
    options: RestoreOptions,
    listings: Arc<Allowance>,
) -> Result<Restored> {
    let opened = path.clone();
    let target = blocking(move || {
        Target::open(&opened, options).map_err(|source| Error::File { action: "open", path: opened, source })
    })
    .await?;
    let target = Arc::new(target);
    let (sender, receiver) = mpsc::channel(PLANNED);
    let walker = Walker {
        pieces: Arc::new(Semaphore::new(WANTED)),
        listings,
        contents: contents.clone(),
        target: target.clone(),
        handle: Handle::current(),
        collector: Collector::default(),
        sender,
    };
    let walking = blocking(move || walker.walk(root));
    let fetching = fetch_all(receiver, contents, target.clone());
    tokio::try_join!(walking, fetching)?;
    Ok(target.counters.finish())
}

/// Carries out reads, `parallel` of them at a time.
async fn fetch_all(
    receiver: mpsc::Receiver<Planned>,
    contents: Arc<ContentStore>,
    target: Arc<Target>,
) -> Result<()> {
    let fetcher = Fetcher::new(contents, target.clone(), &target.options);
    let reads =
        stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|read| (read, receiver)) });
    reads
        .map(Ok)
        .try_for_each_concurrent(target.options.parallel_reads.max(1), |(read, planned)| {
            let fetcher = &fetcher;
            async move {
                let _planned = planned;
                fetcher.fetch(read).await
            }
        })
        .await
}

/// One read of pieces of files.
type Read = super::plan::Read<Arc<Restoring>>;
/// A read, and the right to hold what it is for.
type Planned = (Read, OwnedSemaphorePermit);

struct Walker {
    contents: Arc<ContentStore>,
    target: Arc<Target>,
    handle: Handle,
    collector: Collector<Arc<Restoring>>,
    /// The memory of the listings of the folders that are being restored.
    listings: Arc<Allowance>,
    /// Those of the reads that are planned or under way.
    pieces: Arc<Semaphore>,
    sender: mpsc::Sender<Planned>,
}

impl Walker {
    fn walk(mut self, root: DirectoryEntry) -> Result<()> {
        if root.kind == EntryKind::Directory {
            self.descend(&Folder::new(None, PathBuf::new(), root))?;
        } else {
            let mode = FileMode(0o755);
            let around =
                DirectoryEntry { mode, ..DirectoryEntry::new(OsStr::new("."), EntryKind::Directory) };
            let folder = Folder::new(None, PathBuf::new(), around);
            match checked_name(&root) {
                Ok(name) => self.entry(&folder, Path::new(&name), root)?,
                Err(error) => self.target.counters.fail(Path::new(&root.name), &error),
            }
        }
        let reads = self.collector.take();
        self.send(reads)
    }

    /// Restores a folder with an explicit stack, however deep the tree.
    fn descend(&mut self, root: &Arc<Folder>) -> Result<()> {
        let mut stack = vec![(root.clone(), self.read_directory(root)?)];
        while let Some((folder, entries)) = stack.last_mut() {
            if self.target.options.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let Some(entry) = entries.next()? else {
                folder.release(&self.target);
                stack.pop();
                continue;
            };
            let folder = folder.clone();
            let path = match checked_name(&entry) {
                Ok(name) => folder.path().join(name),
                Err(error) => {
                    self.target.counters.fail(&folder.path().join(&entry.name), &error);
                    continue;
                }
            };
            if entry.kind != EntryKind::Directory {
                self.entry(&folder, &path, entry)?;
            } else if stack.len() >= MAX_DEPTH {
                self.target.counters.fail(&path, &std::io::Error::other("the tree is too deep"));
            } else {
                stack.extend(self.enter(&folder, path, entry)?);
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        parent: &Arc<Folder>,
        path: PathBuf,
        entry: DirectoryEntry,
    ) -> Result<Option<(Arc<Folder>, FilesFirst)>> {
        if let Err(error) = self.target.make_folder(&path) {
            self.target.counters.fail(&path, &error);
            return Ok(None);
        }
        let folder = Folder::new(Some(parent.clone()), path, entry);
        let entries = self.read_directory(&folder)?;
        Ok(Some((folder, entries)))
    }

    /// The children of a folder, files before folders: they lie before them in the packs. One that cannot be read is counted,
    /// and restored empty.
    fn read_directory(&self, folder: &Folder) -> Result<FilesFirst> {
        let read = |object| Listing::read_blocking(&self.contents, object, &self.handle, &self.listings);
        let entries = match folder.object().and_then(read) {
            Ok(listing) => listing.entries,
            Err(error) if error.is_damage() || error.is_not_found() => {
                self.target.counters.fail(folder.path(), &error);
                PackedEntries::new(&self.listings)
            }
            Err(error) => return Err(error),
        };
        entries.files_first()
    }

    fn entry(&mut self, folder: &Arc<Folder>, path: &Path, entry: DirectoryEntry) -> Result<()> {
        let result = match entry.kind {
            EntryKind::File => self.file(folder, path, entry),
            EntryKind::Symlink => self.link(path, &entry),
            _ => Err(Error::Unsupported(format!("entries of the kind of {:?}", entry.name))),
        };
        match result {
            Err(error @ (Error::Cancelled | Error::Worker)) => Err(error),
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                self.target.counters.fail(path, &error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn link(&self, path: &Path, entry: &DirectoryEntry) -> Result<()> {
        let object = entry.object()?;
        let link = self
            .handle
            .block_on(async { ObjectReader::open(&self.contents, object).await?.read_all(MAX_LINK).await })?;
        let io = |source| Error::File { action: "make", path: path.to_owned(), source };
        let made = self.target.make_link(path, entry, &link).map_err(io)?;
        let counters = &self.target.counters;
        if made { &counters.symlinks } else { &counters.skipped }.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn file(&mut self, folder: &Arc<Folder>, path: &Path, entry: DirectoryEntry) -> Result<()> {
        let object = entry.object()?;
        let (pieces, length) = {
            let reader = self.handle.block_on(ObjectReader::open(&self.contents, object))?;
            (reader.pieces().to_vec(), reader.length())
        };
        let located: Vec<_> = pieces
            .into_iter()
            .filter(|piece| piece.length > 0)
            .map(|piece| Ok((piece, self.contents.entry(&piece.content())?)))
            .collect::<Result<_>>()?;
        let io = |source| Error::File { action: "make", path: path.to_owned(), source };
        let prepared = located.len() != 1;
        if prepared {
            let Some(made) = self.target.make_file(path).map_err(io)? else {
                self.target.counters.skipped.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            };
            made.set_len(length).map_err(io)?;
        }
        let file = Arc::new(folder.file(path.to_owned(), entry, located.len().max(1), prepared));
        if located.is_empty() {
            self.target.piece_done(&file, Ok(None));
        }
        for (piece, entry) in located {
            let reads = self.collector.add(Wanted { file: file.clone(), piece, entry });
            self.send(reads)?;
        }
        Ok(())
    }

    fn send(&self, reads: Vec<Read>) -> Result<()> {
        for read in reads {
            let count = read.items.len().min(WANTED) as u32;
            let room = self.handle.block_on(self.pieces.clone().acquire_many_owned(count));
            let planned = (read, room.map_err(|_| Error::Worker)?);
            // The receiver ends early only with an error of its own, which is the one to report.
            self.sender.blocking_send(planned).map_err(|_| Error::Cancelled)?;
        }
        Ok(())
    }
}

/// The name of an entry, if it is one plain component of a path.
fn checked_name(entry: &DirectoryEntry) -> Result<std::ffi::OsString, std::io::Error> {
    entry.plain_name().ok_or_else(|| std::io::Error::other("the name is not a plain file name"))
}

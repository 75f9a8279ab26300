//! The walk: directories are listed from the top down and stored from the bottom up.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use super::files::{self, FileBatch, FileStore};
use super::jobs::{Job, Shared, add};
use super::{Outcome, UploadOptions, Uploaded};
use crate::content::ContentWriter;
use crate::object;
use crate::snapshot::{Directory, DirectoryEntry, EntryError, EntryKind, FileMode, Stats, Summary};
use crate::{Error, Prefix, Result};

/// Files that one job stores.
const FILES_PER_JOB: usize = 512;

/// A directory of the tree, from its listing until its last child is stored.
pub(super) struct Node {
    parent: Option<Arc<Node>>,
    root: Arc<OwnedFd>,
    /// Relative to the root; empty for the root itself.
    path: PathBuf,
    /// Its own entry, without object and summary.
    entry: DirectoryEntry,
    /// Its children in the parent snapshot, by name.
    previous: OnceLock<Vec<(OsString, DirectoryEntry)>>,
    state: Mutex<NodeState>,
    result: OnceLock<DirectoryEntry>,
}

#[derive(Default)]
struct NodeState {
    entries: Vec<DirectoryEntry>,
    failed: u64,
    ignored: u64,
    errors: Vec<EntryError>,
    /// Jobs and directories that this one waits for.
    waiting: usize,
}

pub(super) fn run(
    writer: &Arc<ContentWriter>,
    root: &Path,
    parent: Option<&DirectoryEntry>,
    options: &UploadOptions,
) -> Result<Uploaded> {
    let started = writer.contents().clock().now();
    let io = |source: rustix::io::Errno| Error::File {
        action: "open",
        path: root.to_owned(),
        source: source.into(),
    };
    let stat = statat(CWD, root, AtFlags::empty()).map_err(io)?;
    let shared = Shared::new(writer, options)?;
    let name = root.file_name().unwrap_or(OsStr::new("/"));
    let root_entry = if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, root, flags, Mode::empty()).map_err(io)?;
        upload_directory(&shared, fd, prototype(name, EntryKind::Directory, &stat), parent)?
    } else {
        upload_file(&shared, root, name, parent)?
    };
    let counters = &shared.counters;
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    Ok(Uploaded {
        root: root_entry,
        stats: Stats {
            total_size: get(&counters.bytes),
            file_count: get(&counters.stored),
            cached_files: get(&counters.cached),
            non_cached_files: get(&counters.stored),
            dir_count: get(&counters.directories),
            ignored_error_count: get(&counters.ignored),
            error_count: get(&counters.failed),
            ..Stats::default()
        },
        started,
        ended: writer.contents().clock().now(),
        failures: std::mem::take(&mut *shared.failures.lock().unwrap_or_else(PoisonError::into_inner)),
        changed: get(&counters.changed),
        special: get(&counters.special),
    })
}

fn upload_directory(
    shared: &Shared<'_>,
    fd: OwnedFd,
    entry: DirectoryEntry,
    previous: Option<&DirectoryEntry>,
) -> Result<DirectoryEntry> {
    let node = Arc::new(Node::new(None, Arc::new(fd), PathBuf::new(), entry));
    node.load_previous(shared, previous)?;
    shared.push([Job::Directory(node.clone())]);
    std::thread::scope(|scope| {
        for _ in 0..shared.options.threads.max(1) {
            scope.spawn(|| shared.work(false));
        }
    });
    shared.take_error()?;
    node.result.get().cloned().ok_or(Error::Worker)
}

/// The root may be a single file; then it is the only entry.
fn upload_file(
    shared: &Shared<'_>,
    root: &Path,
    name: &OsStr,
    previous: Option<&DirectoryEntry>,
) -> Result<DirectoryEntry> {
    let folder = root.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(CWD, folder, flags, Mode::empty()).map_err(|source| Error::File {
        action: "open",
        path: folder.to_owned(),
        source: source.into(),
    })?;
    let mut store = FileStore::new(shared, fd.as_fd(), folder);
    match store.store(name, previous)? {
        (Some(entry), _) => Ok(entry),
        (None, Outcome::Failed(source)) => Err(Error::File { action: "read", path: root.to_owned(), source }),
        (None, _) => {
            Err(Error::InvalidArgument(format!("{} is neither a directory nor a file", root.display())))
        }
    }
}

impl Node {
    fn new(parent: Option<Arc<Node>>, root: Arc<OwnedFd>, path: PathBuf, entry: DirectoryEntry) -> Self {
        Self {
            parent,
            root,
            path,
            entry,
            previous: OnceLock::new(),
            state: Mutex::default(),
            result: OnceLock::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lists the directory and makes jobs of its children.
    pub(super) fn list(self: &Arc<Self>, shared: &Shared<'_>) -> Result<()> {
        self.lock().waiting = 1;
        match self.open().and_then(|fd| read_names(&fd).map(|names| (fd, names))) {
            Ok((fd, names)) => self.spawn_children(shared, fd, names)?,
            Err(error) => self.fail(shared, &self.path, error.into()),
        }
        self.release(shared)
    }

    fn open(&self) -> rustix::io::Result<OwnedFd> {
        let path = if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&*self.root, path, flags, Mode::empty())
    }

    fn spawn_children(
        self: &Arc<Self>,
        shared: &Shared<'_>,
        fd: OwnedFd,
        (directories, others): (Vec<OsString>, Vec<OsString>),
    ) -> Result<()> {
        let fd = Arc::new(fd);
        let mut jobs = Vec::new();
        // The stack is worked off from its end: files first, then the directories in order of their names.
        for name in directories.iter().rev() {
            match statat(&*fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => jobs.push(self.child(shared, name, &stat)?),
                Err(error) => self.fail(shared, &self.path.join(name), error.into()),
            }
        }
        let batches = others.chunks(FILES_PER_JOB).rev();
        jobs.extend(
            batches.map(|names| Job::Files(FileBatch::new(self.clone(), fd.clone(), names.to_vec()))),
        );
        self.lock().waiting += jobs.len();
        shared.push(jobs);
        Ok(())
    }

    fn child(self: &Arc<Self>, shared: &Shared<'_>, name: &OsStr, stat: &Stat) -> Result<Job> {
        let entry = prototype(name, EntryKind::Directory, stat);
        let node = Node::new(Some(self.clone()), self.root.clone(), self.path.join(name), entry);
        if let Some(previous) = self.previous(name) {
            node.load_previous(shared, Some(previous))?;
        }
        Ok(Job::Directory(Arc::new(node)))
    }

    /// Reads the listing of the parent snapshot. One that is damaged is not used; the new snapshot mends it.
    fn load_previous(&self, shared: &Shared<'_>, previous: Option<&DirectoryEntry>) -> Result<()> {
        let directory =
            previous.filter(|entry| entry.kind == EntryKind::Directory).and_then(|entry| entry.object);
        let Some(object) = directory else { return Ok(()) };
        let mut children = match shared.writer.block_on(Directory::read(shared.writer.contents(), object)) {
            Ok(directory) => {
                directory.entries.into_iter().map(|entry| (entry.file_name(), entry)).collect::<Vec<_>>()
            }
            Err(error) if error.is_damage() || error.is_not_found() => Vec::new(),
            Err(error) => return Err(error),
        };
        children.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let _ = self.previous.set(children);
        Ok(())
    }

    /// The child of this name in the parent snapshot.
    pub(super) fn previous(&self, name: &OsStr) -> Option<&DirectoryEntry> {
        let children = self.previous.get()?;
        let index = children.binary_search_by(|(known, _)| known.as_os_str().cmp(name)).ok()?;
        Some(&children[index].1)
    }

    /// Takes over the files that a job stored.
    pub(super) fn add(&self, entries: Vec<DirectoryEntry>) {
        self.lock().entries.extend(entries);
    }

    pub(super) fn count_vanished(&self, shared: &Shared<'_>, path: &Path) {
        add(&shared.counters.ignored, 1);
        let mut state = self.lock();
        state.ignored += 1;
        state.errors.push(EntryError { path: legible(path), error: "vanished while it was read".into() });
    }

    /// Records an entry that could not be read.
    pub(super) fn fail(&self, shared: &Shared<'_>, path: &Path, error: std::io::Error) {
        add(&shared.counters.failed, 1);
        let failure = EntryError { path: legible(path), error: error.to_string() };
        shared.record_failure(failure.clone());
        shared.options.observer.on_entry(path, &Outcome::Failed(error));
        let mut state = self.lock();
        state.failed += 1;
        state.errors.push(failure);
    }

    /// One of the things waited for is done; the last one stores the directory, and so on upwards.
    pub(super) fn release(self: &Arc<Self>, shared: &Shared<'_>) -> Result<()> {
        let mut node = self.clone();
        loop {
            let state = {
                let mut state = node.lock();
                state.waiting -= 1;
                if state.waiting > 0 {
                    return Ok(());
                }
                std::mem::take(&mut *state)
            };
            let entry = node.store(shared, state)?;
            let Some(parent) = node.parent.clone() else {
                let _ = node.result.set(entry);
                return Ok(());
            };
            parent.lock().entries.push(entry);
            node = parent;
        }
    }

    fn store(&self, shared: &Shared<'_>, state: NodeState) -> Result<DirectoryEntry> {
        let mut summary = Summary::of(&state.entries, self.entry.modified);
        summary.num_failed += state.failed;
        summary.num_ignored_errors += state.ignored;
        summary.add_errors(state.errors);
        let json = Directory::new(state.entries, summary.clone()).to_json()?;
        let object = object::write_bytes(shared.writer, Prefix::DIRECTORY, &json, false)?;
        add(&shared.counters.directories, 1);
        Ok(DirectoryEntry { object: Some(object), summary: Some(Box::new(summary)), ..self.entry.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, NodeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of the directories and of everything else in a folder, each sorted.
fn read_names(fd: &OwnedFd) -> rustix::io::Result<(Vec<OsString>, Vec<OsString>)> {
    let (mut directories, mut others) = (Vec::new(), Vec::new());
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
            known => known,
        };
        if kind == FileType::Directory { &mut directories } else { &mut others }.push(name.to_owned());
    }
    directories.sort_unstable();
    others.sort_unstable();
    Ok((directories, others))
}

/// The entry of something on disk, without its object.
pub(super) fn prototype(name: &OsStr, kind: EntryKind, stat: &Stat) -> DirectoryEntry {
    DirectoryEntry {
        mode: FileMode::from_unix(stat.st_mode),
        size: if kind == EntryKind::Directory { 0 } else { stat.st_size as u64 },
        modified: Timestamp::new(stat.st_mtime, stat.st_mtime_nsec as i32).unwrap_or(Timestamp::UNIX_EPOCH),
        uid: stat.st_uid,
        gid: stat.st_gid,
        ..DirectoryEntry::new(name, kind)
    }
}

fn legible(path: &Path) -> String {
    files::legible(path)
}

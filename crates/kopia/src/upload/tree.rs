//! The walk: directories are listed from the top down and stored from the bottom up.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tracing::debug;

use super::children::Children;
use super::files::FileStore;
use super::jobs::{Job, Shared, add};
use super::source::{Child, Source, SourceFolder, SourceKind, SourceRoot};
use super::{Outcome, UploadOptions, Uploaded, checkpoint};
use crate::content::ContentWriter;
use crate::object::ObjectId;
use crate::records::{Allowance, Cursor};
use crate::snapshot::{DirectoryEntry, EntryError, EntryKind, Listing, PackedEntries, Summary};
use crate::{Error, Result};

/// Errors of a directory that are kept before all but the first are forgotten.
const SOME_ERRORS: usize = 100;

/// A directory of the tree, from its listing until its last child is stored.
pub(super) struct Node {
    source: Arc<dyn Source>,
    parent: Option<Arc<Node>>,
    /// Relative to the root; empty for the root itself.
    path: PathBuf,
    /// Its listing in the parent snapshot.
    known: Option<ObjectId>,
    seen: OnceLock<Seen>,
    state: Mutex<NodeState>,
    result: OnceLock<DirectoryEntry>,
}

/// What is known once a directory is open.
struct Seen {
    /// Its own entry, without object and summary.
    entry: DirectoryEntry,
    /// The directory in the parent snapshot.
    previous: Option<Listing>,
}

struct NodeState {
    entries: PackedEntries,
    failed: u64,
    ignored: u64,
    errors: Vec<EntryError>,
    /// Jobs and directories that this one waits for.
    waiting: usize,
    /// Directories in it that are being stored; few at a time.
    open: Vec<Weak<Node>>,
}

pub(super) fn run(
    writer: &Arc<ContentWriter>,
    source: Arc<dyn Source>,
    parent: Option<&DirectoryEntry>,
    options: &UploadOptions,
    listings: &Arc<Allowance>,
) -> Result<Uploaded> {
    let name = PathBuf::from(source.name());
    let unreadable = |action, source| Error::File { action, path: name.clone(), source };
    let shared = Shared::new(writer, options, listings)?;
    let root = match source.root().map_err(|error| unreadable("open", error))? {
        SourceRoot::Folder => upload_directory(&shared, source, parent)?,
        SourceRoot::File { folder, child } => match upload_file(&shared, &*folder, &child, parent)? {
            (Some(entry), _) => entry,
            (None, Outcome::Failed(error)) => return Err(unreadable("read", error)),
            (None, _) => {
                let name = name.display();
                return Err(Error::InvalidArgument(format!("{name} is neither a directory nor a file")));
            }
        },
    };
    debug!(memory = listings.peak(), "uploaded a tree; this is what listings took at most");
    Ok(shared.uploaded(root))
}

/// The root may be a single file; then it is the only entry.
fn upload_file(
    shared: &Shared<'_>,
    folder: &dyn SourceFolder,
    child: &Child,
    parent: Option<&DirectoryEntry>,
) -> Result<(Option<DirectoryEntry>, Outcome)> {
    FileStore::new(shared, folder, Path::new("")).store(child, parent)
}

fn upload_directory(
    shared: &Shared<'_>,
    source: Arc<dyn Source>,
    parent: Option<&DirectoryEntry>,
) -> Result<DirectoryEntry> {
    let known = listing(parent);
    let node = Arc::new(Node::new(shared, source, None, PathBuf::new(), known));
    shared.push([Job::Root(node.clone())]);
    std::thread::scope(|scope| {
        for _ in 0..shared.options.threads.max(1) {
            scope.spawn(|| shared.work(false));
        }
        checkpoint::save_now_and_then(shared, &node);
    });
    shared.take_error()?;
    node.result.get().cloned().ok_or(Error::Worker)
}

/// The listing of a directory of the parent snapshot.
fn listing(previous: Option<&DirectoryEntry>) -> Option<ObjectId> {
    previous.filter(|entry| entry.kind == EntryKind::Directory).and_then(|entry| entry.object)
}

impl Node {
    fn new(
        shared: &Shared<'_>,
        source: Arc<dyn Source>,
        parent: Option<Arc<Node>>,
        path: PathBuf,
        known: Option<ObjectId>,
    ) -> Self {
        Self {
            source,
            parent,
            path,
            known,
            seen: OnceLock::new(),
            state: Mutex::new(NodeState::new(shared)),
            result: OnceLock::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Stores the directory of this name in this one.
    pub(super) fn visit(self: &Arc<Self>, shared: &Shared<'_>, name: &OsStr) -> Result<()> {
        let known = listing(self.previous_entry(true, name, &mut Cursor::default())?.as_ref());
        let path = self.path.join(name);
        let child = Arc::new(Self::new(shared, self.source.clone(), Some(self.clone()), path, known));
        self.lock().open.push(Arc::downgrade(&child));
        child.list(shared)
    }

    /// Lists the directory and makes jobs of its children.
    pub(super) fn list(self: &Arc<Self>, shared: &Shared<'_>) -> Result<()> {
        let previous = self.load_previous(shared)?;
        let opened = self.source.folder(&self.path);
        let attributes = match &opened {
            Ok(folder) => folder.attributes(),
            Err(_) => self.source.attributes(&self.path),
        };
        let attributes = match attributes {
            Ok(attributes) => attributes,
            Err(error) => return self.give_up(shared, error),
        };
        let name = self.path.file_name().map_or_else(|| self.source.name(), OsStr::to_owned);
        let mut entry = attributes.entry(&name, EntryKind::Directory);
        if let (Ok(folder), true) = (&opened, shared.options.xattrs) {
            entry.xattrs = folder.xattrs();
        }
        let _ = self.seen.set(Seen { entry, previous });
        let listed = match opened {
            Ok(folder) => Children::list(self, folder, &shared.listings)?,
            Err(error) => Err(error),
        };
        match listed {
            Ok(children) => self.spawn(shared, children)?,
            Err(error) => self.fail(shared, &self.path, &error),
        }
        self.release(shared)
    }

    /// Leaves the directory out of its parent: it vanished, or nothing at all is known of it.
    fn give_up(self: &Arc<Self>, shared: &Shared<'_>, error: io::Error) -> Result<()> {
        let Some(parent) = &self.parent else {
            return Err(Error::File { action: "open", path: self.source.name().into(), source: error });
        };
        if error.kind() == ErrorKind::NotFound {
            parent.count_vanished(shared, &self.path);
        } else {
            parent.fail(shared, &self.path, &error);
        }
        parent.close(self);
        parent.release(shared)
    }

    fn spawn(self: &Arc<Self>, shared: &Shared<'_>, mut children: Children) -> Result<()> {
        // The first files are what this thread would take from the stack next anyway.
        let mine = if children.are_files() { children.next()? } else { None };
        if !children.is_empty() {
            self.wait_for_one();
            shared.push([Job::Children(children)]);
        }
        match mine {
            Some(Job::Files(files)) => files.store(shared),
            _ => Ok(()),
        }
    }

    /// Something else must be done before the directory can be stored.
    pub(super) fn wait_for_one(&self) {
        self.lock().waiting += 1;
    }

    /// Reads the listing of the parent snapshot. One that is damaged is not used; the new snapshot mends it.
    fn load_previous(&self, shared: &Shared<'_>) -> Result<Option<Listing>> {
        let Some(object) = self.known else { return Ok(None) };
        let (contents, handle) = (shared.writer.contents(), shared.writer.handle());
        match Listing::read_blocking(contents, object, handle, &shared.listings) {
            Ok(mut listing) => {
                listing.entries.sort()?;
                Ok(Some(listing))
            }
            Err(error) if error.is_damage() || error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a child was in the parent snapshot.
    pub(super) fn previous(&self, child: &Child, cursor: &mut Cursor) -> Result<Option<DirectoryEntry>> {
        self.previous_entry(child.kind == Some(SourceKind::Folder), &child.name, cursor)
    }

    fn previous_entry(
        &self,
        is_folder: bool,
        name: &OsStr,
        cursor: &mut Cursor,
    ) -> Result<Option<DirectoryEntry>> {
        let previous = self.seen.get().and_then(|seen| seen.previous.as_ref());
        previous.map_or(Ok(None), |previous| previous.find(is_folder, name, cursor))
    }

    /// The object of the directory in the parent snapshot, when it is the same as now and still there.
    fn unchanged(
        &self,
        shared: &Shared<'_>,
        previous: Option<&Listing>,
        now: &Listing,
    ) -> Result<Option<ObjectId>> {
        let same = previous.map_or(Ok(false), |previous| previous.is_same(now))?;
        let Some(object) = self.known.filter(|object| same && object.list().is_none()) else {
            return Ok(None);
        };
        Ok(shared.writer.exists(&object.content())?.then_some(object))
    }

    /// Takes over the files that a job stored.
    pub(super) fn add(&self, entries: &[DirectoryEntry]) -> Result<()> {
        let mut state = self.lock();
        entries.iter().try_for_each(|entry| state.entries.push(entry))
    }

    pub(super) fn count_vanished(&self, shared: &Shared<'_>, path: &Path) {
        add(&shared.counters.ignored, 1);
        let mut state = self.lock();
        state.ignored += 1;
        state.add_error(EntryError { path: legible(path), error: "vanished while it was read".into() });
    }

    /// Records an entry that could not be read.
    pub(super) fn fail(&self, shared: &Shared<'_>, path: &Path, error: &io::Error) {
        add(&shared.counters.failed, 1);
        let failure = EntryError { path: legible(path), error: error.to_string() };
        shared.record_failure(failure.clone());
        let mut state = self.lock();
        state.failed += 1;
        state.add_error(failure);
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
                std::mem::replace(&mut *state, NodeState::new(shared))
            };
            let entry = node.store(shared, state, None)?;
            add(&shared.counters.directories, 1);
            let Some(parent) = node.parent.clone() else {
                let _ = node.result.set(entry);
                return Ok(());
            };
            shared.options.observer.on_entry(&node.path, &Outcome::Stored { size: 0 });
            parent.add(&[entry])?;
            parent.close(&node);
            node = parent;
        }
    }

    /// A directory in this one is no longer being stored.
    fn close(&self, child: &Arc<Self>) {
        self.lock().open.retain(|open| !std::ptr::eq(open.as_ptr(), Arc::as_ptr(child)));
    }

    /// Stores the directory as far as it is known, and answers its entry. `None` when that is nothing yet, or all.
    pub(super) fn store_unfinished(&self, shared: &Shared<'_>, why: &str) -> Result<Option<DirectoryEntry>> {
        let (mut state, open) = {
            let state = self.lock();
            if state.waiting == 0 || self.seen.get().is_none() {
                return Ok(None);
            }
            let open: Vec<_> = state.open.iter().filter_map(Weak::upgrade).collect();
            (state.clone_entries(shared), open)
        };
        for child in open {
            if let Some(entry) = child.store_unfinished(shared, why)? {
                state.entries.push(&entry)?;
            }
        }
        self.store(shared, state, Some(why)).map(Some)
    }

    fn store(
        &self,
        shared: &Shared<'_>,
        state: NodeState,
        unfinished: Option<&str>,
    ) -> Result<DirectoryEntry> {
        let seen = self.seen.get().ok_or(Error::Worker)?;
        let mut summary = state.entries.summary(seen.entry.modified)?;
        summary.incomplete = unfinished.map(str::to_owned);
        summary.num_failed += state.failed;
        summary.num_ignored_errors += state.ignored;
        summary.add_errors(state.errors);
        let directory = Listing::new(state.entries, summary)?;
        let object = match self.unchanged(shared, seen.previous.as_ref(), &directory)? {
            Some(object) => object,
            None => directory.store(shared.writer)?,
        };
        Ok(DirectoryEntry {
            object: Some(object),
            summary: directory.summary.map(Box::new),
            ..seen.entry.clone()
        })
    }

    fn lock(&self) -> MutexGuard<'_, NodeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeState {
    /// That of a directory which waits for its own listing.
    fn new(shared: &Shared<'_>) -> Self {
        Self {
            entries: PackedEntries::new(&shared.listings),
            failed: 0,
            ignored: 0,
            errors: Vec::new(),
            waiting: 1,
            open: Vec::new(),
        }
    }

    /// Keeps an error, unless there are so many that it is not among the first by path.
    fn add_error(&mut self, error: EntryError) {
        self.errors.push(error);
        if self.errors.len() > SOME_ERRORS {
            Summary::keep_first(&mut self.errors);
        }
    }

    /// A copy of what is stored, without what is waited for.
    fn clone_entries(&self, shared: &Shared<'_>) -> Self {
        Self {
            entries: self.entries.clone(),
            failed: self.failed,
            ignored: self.ignored,
            errors: self.errors.clone(),
            ..Self::new(shared)
        }
    }
}

/// A path for people to read.
fn legible(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

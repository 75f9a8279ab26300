//! Storing the files and links of one directory.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::Outcome;
use super::jobs::{Shared, add};
use super::source::{Attributes, Child, SourceFile, SourceFolder, SourceKind};
use super::spread::{Spread, Watched};
use super::tree::Node;
use crate::Result;
use crate::object::{self, ObjectId};
use crate::records::Cursor;
use crate::snapshot::{DirectoryEntry, EntryKind, FileMode};

/// Files up to this size share one buffer of their thread.
const SMALL: u64 = 256 << 10;
/// Files that take long enough to read to be looked at twice.
const RECHECK: u64 = 1 << 20;

/// Some files of one directory.
pub(super) struct FileBatch {
    node: Arc<Node>,
    folder: Arc<dyn SourceFolder>,
    children: Vec<Child>,
}

impl FileBatch {
    pub(super) fn new(node: Arc<Node>, folder: Arc<dyn SourceFolder>, children: Vec<Child>) -> Self {
        Self { node, folder, children }
    }

    pub(super) fn store(self, shared: &Shared<'_>) -> Result<()> {
        let mut store = FileStore::new(shared, &*self.folder, self.node.path());
        let mut entries = Vec::with_capacity(self.children.len());
        let mut cursor = Cursor::default();
        for child in &self.children {
            let previous = self.node.previous(child, &mut cursor)?;
            let (entry, outcome) = store.store(child, previous.as_ref())?;
            entries.extend(entry);
            match outcome {
                Outcome::Failed(error) => {
                    self.node.fail(shared, &self.node.path().join(&child.name), &error);
                }
                Outcome::Vanished => self.node.count_vanished(shared, &self.node.path().join(&child.name)),
                _ => {}
            }
        }
        self.node.add(&entries)?;
        drop(self.folder);
        self.node.release(shared)
    }
}

/// An entry, if there is one to store, and what became of it.
type Stored = (Option<DirectoryEntry>, Outcome);
/// The outer error is that of the entry alone, the inner one ends the upload.
type Attempt<T> = io::Result<Result<T>>;

/// Stores one entry after the other of a directory.
pub(super) struct FileStore<'a, 'b> {
    shared: &'a Shared<'b>,
    folder: &'a dyn SourceFolder,
    path: &'a Path,
    buffer: Vec<u8>,
}

impl<'a, 'b> FileStore<'a, 'b> {
    pub(super) fn new(shared: &'a Shared<'b>, folder: &'a dyn SourceFolder, path: &'a Path) -> Self {
        Self { shared, folder, path, buffer: Vec::new() }
    }

    /// Stores one entry, if it can be, and tells what became of it.
    pub(super) fn store(&mut self, child: &Child, previous: Option<&DirectoryEntry>) -> Result<Stored> {
        let stored = match self.try_store(child, previous) {
            Ok(stored) => stored?,
            Err(error) if error.kind() == ErrorKind::NotFound => (None, Outcome::Vanished),
            Err(error) => (None, Outcome::Failed(error)),
        };
        self.count(&stored.1);
        self.shared.options.observer.on_entry(&self.path.join(&child.name), &stored.1);
        Ok(stored)
    }

    fn try_store(&mut self, child: &Child, previous: Option<&DirectoryEntry>) -> Attempt<Stored> {
        // A file that must be read in any case tells its attributes when it is open.
        if child.kind == Some(SourceKind::File) && previous.is_none() {
            return self.read_file(child);
        }
        let attributes = self.folder.child(&child.name)?;
        match attributes.kind {
            SourceKind::File => {
                let entry = attributes.entry(&child.name, EntryKind::File);
                match self.reusable(&entry, previous) {
                    Ok(Some(object)) => Ok(Ok(self.reuse(child, entry, object))),
                    Ok(None) => self.read_file(child),
                    Err(error) => Ok(Err(error)),
                }
            }
            SourceKind::Link => self.read_link(child, &attributes),
            SourceKind::Folder | SourceKind::Special => Ok(Ok((None, Outcome::Special))),
        }
    }

    /// The object of an unchanged file, if all is still there.
    fn reusable(
        &self,
        entry: &DirectoryEntry,
        previous: Option<&DirectoryEntry>,
    ) -> Result<Option<ObjectId>> {
        let object =
            previous.filter(|previous| entry.is_unchanged_since(previous)).and_then(|entry| entry.object);
        let Some(object) = object else { return Ok(None) };
        Ok(self.shared.writer.exists(&object.content())?.then_some(object))
    }

    fn reuse(&self, child: &Child, mut entry: DirectoryEntry, object: ObjectId) -> Stored {
        entry.object = Some(object);
        if self.shared.options.xattrs {
            entry.xattrs = self.folder.child_xattrs(&child.name);
        }
        let size = entry.size;
        (Some(entry), Outcome::Unchanged { size })
    }

    fn read_file(&mut self, child: &Child) -> Attempt<Stored> {
        let mut file = self.folder.open(&child.name)?;
        let before = file.attributes()?;
        if before.kind != SourceKind::File {
            return Ok(Ok((None, Outcome::Special)));
        }
        let mut entry = before.entry(&child.name, EntryKind::File);
        let (object, size) = match self.read_all(&mut *file, before.size)? {
            Ok(stored) => stored,
            Err(error) => return Ok(Err(error)),
        };
        (entry.object, entry.size) = (Some(object), size);
        if self.shared.options.xattrs {
            entry.xattrs = file.xattrs();
        }
        let changed = size != before.size || (size >= RECHECK && is_changed(&*file, &before)?);
        let outcome = if changed { Outcome::Changed { size } } else { Outcome::Stored { size } };
        Ok(Ok((Some(entry), outcome)))
    }

    fn read_all(&mut self, file: &mut dyn SourceFile, size: u64) -> Attempt<(ObjectId, u64)> {
        let shared = self.shared;
        let mut source = Watched { inner: file, options: shared.options };
        let mut sink = Spread::new(shared);
        let (splitter, writer) = (shared.splitter, shared.writer);
        let mut store = |buffer: &mut Vec<u8>| {
            object::write_stream(&mut source, Some(size), splitter, &mut sink, writer, buffer)
        };
        let stored = if size <= SMALL {
            store(&mut self.buffer)
        } else {
            let largest = splitter.max_chunk() * object::BUFFER_CHUNKS;
            store(&mut shared.room_for(largest.min(size as usize + 1)).buffer)
        };
        match stored {
            Ok(Ok(stored)) => Ok(Ok(stored)),
            Ok(Err(error)) => shared.check().map_or_else(|cancelled| Ok(Err(cancelled)), |()| Err(error)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn read_link(&mut self, child: &Child, attributes: &Attributes) -> Attempt<Stored> {
        let target = self.folder.read_link(&child.name)?;
        let written = self.shared.writer.write(None, &target, false);
        Ok(written.map(|content| {
            let entry = DirectoryEntry {
                object: Some(ObjectId::direct(content)),
                mode: FileMode(0o777),
                size: target.len() as u64,
                ..attributes.entry(&child.name, EntryKind::Symlink)
            };
            (Some(entry), Outcome::Stored { size: 0 })
        }))
    }

    fn count(&self, outcome: &Outcome) {
        let counters = &self.shared.counters;
        match outcome {
            Outcome::Stored { size } => {
                add(&counters.stored, 1);
                add(&counters.bytes, *size);
            }
            Outcome::Changed { size } => {
                add(&counters.stored, 1);
                add(&counters.changed, 1);
                add(&counters.bytes, *size);
            }
            Outcome::Unchanged { size } => {
                add(&counters.cached, 1);
                add(&counters.bytes, *size);
            }
            Outcome::Special => add(&counters.special, 1),
            Outcome::Vanished | Outcome::Failed(_) => {}
        }
    }
}

/// Whether a file is not what it was when reading began.
fn is_changed(file: &dyn SourceFile, before: &Attributes) -> io::Result<bool> {
    let after = file.attributes()?;
    Ok((after.size, after.modified) != (before.size, before.modified))
}

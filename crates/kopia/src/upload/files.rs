//! Storing the files and links of one directory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::Outcome;
use super::jobs::{Shared, add};
use super::spread::{Spread, Watched};
use super::tree::{Node, prototype};
use crate::object::{self, ObjectId};
use crate::snapshot::{DirectoryEntry, EntryKind, FileMode};
use crate::{Result, xattrs};

/// Room for most files.
const SMALL: usize = 64 << 10;
/// Files that take long enough to read to be looked at twice.
const RECHECK: u64 = 1 << 20;

/// Some files of one directory.
pub(super) struct FileBatch {
    node: Arc<Node>,
    directory: Arc<OwnedFd>,
    names: Vec<OsString>,
}

impl FileBatch {
    pub(super) fn new(node: Arc<Node>, directory: Arc<OwnedFd>, names: Vec<OsString>) -> Self {
        Self { node, directory, names }
    }

    pub(super) fn store(self, shared: &Shared<'_>) -> Result<()> {
        let mut store = FileStore::new(shared, self.directory.as_fd(), self.node.path());
        let mut entries = Vec::with_capacity(self.names.len());
        for name in &self.names {
            shared.check()?;
            let (entry, outcome) = store.store(name, self.node.previous(name))?;
            entries.extend(entry);
            match outcome {
                Outcome::Failed(error) => self.node.fail(shared, &self.node.path().join(name), error),
                Outcome::Vanished => self.node.count_vanished(shared, &self.node.path().join(name)),
                _ => {}
            }
        }
        self.node.add(entries);
        drop(self.directory);
        self.node.release(shared)
    }
}

/// Stores one entry after the other of a directory.
pub(super) struct FileStore<'a, 'b> {
    shared: &'a Shared<'b>,
    directory: BorrowedFd<'a>,
    path: &'a Path,
    buffer: Vec<u8>,
}

impl<'a, 'b> FileStore<'a, 'b> {
    pub(super) fn new(shared: &'a Shared<'b>, directory: BorrowedFd<'a>, path: &'a Path) -> Self {
        Self { shared, directory, path, buffer: Vec::with_capacity(SMALL) }
    }

    /// Stores one entry, if it can be, and tells what became of it.
    pub(super) fn store(
        &mut self,
        name: &OsStr,
        previous: Option<&DirectoryEntry>,
    ) -> Result<(Option<DirectoryEntry>, Outcome)> {
        let (entry, outcome) = match self.try_store(name, previous) {
            Ok(stored) => stored?,
            Err(Errno::NOENT) => (None, Outcome::Vanished),
            Err(error) => return Ok((None, Outcome::Failed(error.into()))),
        };
        self.count(&outcome);
        self.shared.options.observer.on_entry(&self.path.join(name), &outcome);
        Ok((entry, outcome))
    }

    /// The outer error is that of the file, the inner one ends the upload.
    fn try_store(
        &mut self,
        name: &OsStr,
        previous: Option<&DirectoryEntry>,
    ) -> Result<Result<(Option<DirectoryEntry>, Outcome)>, Errno> {
        let stat = statat(self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let entry = prototype(name, EntryKind::File, &stat);
                match self.reusable(&entry, previous) {
                    Ok(Some(object)) => Ok(Ok(self.reuse(entry, object))),
                    Ok(None) => self.read_file(name),
                    Err(error) => Ok(Err(error)),
                }
            }
            FileType::Symlink => self.read_link(name, &stat),
            _ => Ok(Ok((None, Outcome::Special))),
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

    fn reuse(&self, mut entry: DirectoryEntry, object: ObjectId) -> (Option<DirectoryEntry>, Outcome) {
        entry.object = Some(object);
        if self.shared.options.xattrs {
            entry.xattrs = xattrs::read_at(self.directory, &entry.file_name());
        }
        let size = entry.size;
        (Some(entry), Outcome::Unchanged { size })
    }

    fn read_file(&mut self, name: &OsStr) -> Result<Result<(Option<DirectoryEntry>, Outcome)>, Errno> {
        // A pipe that took the file's place must not block us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(self.directory, name, flags, Mode::empty())?);
        let before = fstat(&file)?;
        if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
            return Ok(Ok((None, Outcome::Special)));
        }
        let mut source = Watched { inner: &file, options: self.shared.options };
        let mut sink = Spread::new(self.shared);
        let splitter = self.shared.splitter;
        let stored =
            object::write_stream(&mut source, splitter, &mut sink, self.shared.writer, &mut self.buffer);
        let (object, size) = match stored {
            Ok(Ok(stored)) => stored,
            Ok(Err(error)) => {
                return self.shared.check().map_or_else(|cancel| Ok(Err(cancel)), |()| Err(errno(&error)));
            }
            Err(error) => return Ok(Err(error)),
        };
        let mut entry =
            DirectoryEntry { object: Some(object), size, ..prototype(name, EntryKind::File, &before) };
        if self.shared.options.xattrs {
            entry.xattrs = xattrs::read(&file);
        }
        let outcome =
            if changed(&file, &before, size)? { Outcome::Changed { size } } else { Outcome::Stored { size } };
        Ok(Ok((Some(entry), outcome)))
    }

    fn read_link(
        &mut self,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<Result<(Option<DirectoryEntry>, Outcome)>, Errno> {
        let target = readlinkat(self.directory, name, Vec::new())?;
        let written = self.shared.writer.write(None, target.as_bytes(), false);
        let size = target.as_bytes().len() as u64;
        Ok(written.map(|content| {
            let entry = DirectoryEntry {
                object: Some(ObjectId::direct(content)),
                mode: FileMode(0o777),
                size,
                ..prototype(name, EntryKind::Symlink, stat)
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
fn changed(file: &File, before: &Stat, size: u64) -> Result<bool, Errno> {
    if size != before.st_size as u64 {
        return Ok(true);
    }
    if size < RECHECK {
        return Ok(false);
    }
    let after = fstat(file)?;
    let look = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    Ok(look(before) != look(&after))
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// A path for people to read.
pub(super) fn legible(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

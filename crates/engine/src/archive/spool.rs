//! The spool: an archive read once, from start to end, into an unlinked temporary file and a compact index.
//!
//! A restore needs objects in another order than that of the archive, several times, and by name. The spool gives that without
//! holding objects in memory: about 40 bytes and the name per object. The archive is untrusted: sizes, paths and shape are checked
//! here, so that nothing behind the spool has to.

mod index;
mod unpack;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::{ArchiveError, path};
use crate::action::ItemId;
use crate::catalog::GroupResource;
use crate::object::Object;

use index::Index;
pub use index::{EntryId, Group};

/// Blocks of the compressed archive on their way to the unpacking thread.
const BLOCKS: usize = 8;

/// What an archive may at most be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the unpacked archive (`--max-backup-extraction-size`).
    pub total_bytes: u64,
    /// Entries of all sorts.
    pub entries: u64,
}

impl Default for Limits {
    /// 16 GiB, as in Velero, and ten million entries.
    fn default() -> Self {
        Self { total_bytes: 16 << 30, entries: 10_000_000 }
    }
}

/// An archive on local disk. Cloning is cheap; the file is gone with the last clone.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Unpacked>);

#[derive(Debug)]
struct Unpacked {
    file: File,
    index: Index,
    format_version: String,
}

impl Spool {
    /// Unpacks an archive into a temporary file in `directory`. Returns when the whole archive has been read and found complete.
    pub async fn read<S>(mut archive: S, limits: Limits, directory: &Path) -> Result<Self, ArchiveError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let file = tempfile::tempfile_in(directory).map_err(ArchiveError::Spool)?;
        let (tx, rx) = mpsc::channel(BLOCKS);
        let worker = tokio::task::spawn_blocking(move || unpack::unpack(rx, limits, file));
        while let Some(block) = archive.next().await {
            let last = block.is_err();
            if tx.send(block).await.is_err() || last {
                break;
            }
        }
        drop(tx);
        worker
            .await
            .unwrap_or_else(|error| Err(ArchiveError::Spool(io::Error::other(error))))
            .map(|it| Self(Arc::new(it)))
    }

    /// Whether there is no object at all.
    pub fn is_empty(&self) -> bool {
        self.0.index.is_empty()
    }

    /// How many entries there are, all copies counted.
    pub fn len(&self) -> usize {
        self.0.index.len()
    }

    /// The body of `metadata/version`; empty when the archive has none.
    pub fn format_version(&self) -> &str {
        &self.0.format_version
    }

    /// The kinds in the archive, sorted by name.
    pub fn resources(&self) -> impl Iterator<Item = &GroupResource> {
        self.0.index.resources()
    }

    /// The namespaces that have objects in the archive, or are objects of it themselves.
    pub fn namespaces(&self) -> BTreeSet<String> {
        let objects = self.groups(&GroupResource::new("", "namespaces")).collect::<Vec<_>>();
        let objects = objects.iter().flat_map(Group::entries).map(|entry| self.name(entry).to_owned());
        self.0.index.namespaces().map(ToOwned::to_owned).chain(objects).collect()
    }

    /// The objects of a kind by namespace (of the backup), at the version of the plain copies. Sorted.
    pub fn groups(&self, resource: &GroupResource) -> impl Iterator<Item = Group> {
        self.0.index.groups(resource)
    }

    /// The namespace of a group.
    pub fn namespace(&self, group: &Group) -> Option<&str> {
        self.0.index.namespace(group)
    }

    /// What an entry is called.
    pub fn id(&self, entry: EntryId) -> ItemId {
        self.0.index.id(entry)
    }

    /// Name of an entry.
    pub fn name(&self, entry: EntryId) -> &str {
        self.0.index.name(entry)
    }

    /// Size of an entry's text in bytes.
    pub fn size(&self, entry: EntryId) -> usize {
        self.0.index.place(entry).1
    }

    /// Finds the plain copy of an object.
    pub fn find(&self, item: &ItemId) -> Option<EntryId> {
        self.0.index.find(item)
    }

    /// Finds an entry of a group by name.
    pub fn find_in(&self, group: &Group, name: &str) -> Option<EntryId> {
        self.0.index.find_in(group, name)
    }

    /// The versions at which the archive has objects of a kind; the one that the source cluster preferred is first. Empty for archives
    /// from before format 1.1.0.
    pub fn versions(&self, resource: &GroupResource) -> Vec<&str> {
        self.0.index.versions(resource)
    }

    /// Finds the copy of an object at a certain version, when the archive keeps one apart from the plain copy.
    pub fn find_version(&self, item: &ItemId, version: &str) -> Option<EntryId> {
        self.0.index.find_version(item, version)
    }

    /// Reads an object. The file was written a moment ago, so this is a copy from the page cache and does not wait for a disk as
    /// a rule.
    pub fn load(&self, entry: EntryId) -> Result<Object, ArchiveError> {
        let (offset, length) = self.0.index.place(entry);
        let mut text = BytesMut::zeroed(length);
        self.0.file.read_exact_at(&mut text, offset).map_err(ArchiveError::Spool)?;
        let id = || path::of(&self.id(entry), &path::Copy::Plain);
        let object =
            Object::parse(text.freeze()).map_err(|source| ArchiveError::Entry { path: id(), source })?;
        if object.head().name != self.name(entry) || object.head().namespace != self.id(entry).namespace {
            return Err(ArchiveError::Path { path: id() });
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests;

//! Looking here and there into the tree of a snapshot: folders and parts of files that were used last stay in memory, and
//! a file that is read from its beginning to its end is read ahead.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use crate::object::{ObjectId, ObjectReader, Piece, parts};
use crate::recent::Recent;
use crate::snapshot::{Directory, DirectoryEntry};
use crate::{ContentId, Repository, Result};

/// Folders in memory.
const FOLDERS: usize = 64;
/// Parts of files in memory, each of some megabytes.
const PIECES: usize = 8;
/// How far from the end of the last read one may start to be taken for its continuation.
const NEAR: u64 = 1 << 20;

/// Snapshots of a repository, for random access.
#[derive(Debug)]
pub struct Browser {
    repository: Repository,
    folders: Recent<ObjectId, Arc<Vec<Child>>>,
    pieces: Recent<ContentId, Bytes>,
}

/// An entry of a folder, under a name that a file can have.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// The name; of the content of a device, whose name is its path, the last part of it.
    pub name: OsString,
    /// The entry.
    pub entry: DirectoryEntry,
}

/// A file that is open for reading.
#[derive(Debug)]
pub struct OpenFile {
    object: ObjectId,
    pieces: Vec<Piece>,
    /// Where the last read ended.
    last: AtomicU64,
}

impl Browser {
    /// Of all snapshots in `repository`.
    pub fn new(repository: Repository) -> Self {
        Self { repository, folders: Recent::new(FOLDERS), pieces: Recent::new(PIECES) }
    }

    /// The entries of a folder, by name. Those with names that no file can have are left out.
    ///
    /// # Errors
    /// As [`Directory::read`].
    pub async fn children(&self, folder: &DirectoryEntry) -> Result<Arc<Vec<Child>>> {
        let object = folder.object()?;
        let read = || async {
            let entries = Directory::read(self.repository.contents(), object).await?.entries;
            let named = |entry: DirectoryEntry| Some(Child { name: shown_name(&entry)?, entry });
            let mut children: Vec<_> = entries.into_iter().filter_map(named).collect();
            children.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(Arc::new(children))
        };
        self.folders.get(object, read).await
    }

    /// Opens a file or a link.
    ///
    /// # Errors
    /// As [`ObjectReader::open`].
    pub async fn open(&self, entry: &DirectoryEntry) -> Result<OpenFile> {
        let object = entry.object()?;
        let pieces = ObjectReader::open(self.repository.contents(), object).await?.into_pieces();
        Ok(OpenFile { object, pieces, last: AtomicU64::new(0) })
    }

    /// The bytes of a file from `start` on: `length` of them, or less at its end.
    ///
    /// # Errors
    /// As [`ObjectReader::read_piece`].
    pub async fn read(self: &Arc<Self>, file: &OpenFile, start: u64, length: usize) -> Result<Bytes> {
        let goes_on = file.last.swap(start.saturating_add(length as u64), Ordering::Relaxed);
        let wanted: Vec<_> = parts(&file.pieces, start, length).collect();
        if start.abs_diff(goes_on) <= NEAR
            && let Some(next) = wanted.last().and_then(|(last, _)| file.after(last))
        {
            let (browser, object) = (self.clone(), file.object);
            // Whoever wants it meets its error.
            tokio::spawn(async move { browser.piece(object, next).await });
        }
        let mut out = BytesMut::new();
        for (piece, part) in &wanted {
            let data = self.piece(file.object, **piece).await?;
            if wanted.len() == 1 {
                return Ok(data.slice(part.clone()));
            }
            out.extend_from_slice(&data[part.clone()]);
        }
        Ok(out.freeze())
    }

    async fn piece(&self, object: ObjectId, piece: Piece) -> Result<Bytes> {
        let read = || piece.read(self.repository.contents(), object);
        self.pieces.get(piece.content(), read).await
    }
}

impl OpenFile {
    /// Its length.
    pub fn length(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.start + piece.length)
    }

    fn after(&self, piece: &Piece) -> Option<Piece> {
        let next = self.pieces.partition_point(|other| other.start <= piece.start);
        self.pieces.get(next).copied()
    }
}

/// The name under which an entry can be a file.
fn shown_name(entry: &DirectoryEntry) -> Option<OsString> {
    entry.plain_name().or_else(|| {
        let last = entry.name.rsplit('/').next()?;
        DirectoryEntry::new(OsStr::from_bytes(last.as_bytes()), entry.kind).plain_name()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{FaultyStore, MemoryStore};
    use crate::snapshot::EntryKind;
    use crate::testdata::splitmix64;
    use crate::tests::create;
    use crate::upload::{UploadOptions, upload_stream, upload_tree};
    use crate::{WriteOptions, snapshot};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn any_part_of_a_file_is_read_and_pieces_are_read_once() {
        let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::default()), None));
        let repository = create(store.clone()).await;
        let (folder, data) = (tempfile::tempdir().unwrap(), splitmix64(1, 20 << 20));
        fs_err::write(folder.path().join("large"), &data).unwrap();
        fs_err::write(folder.path().join("empty"), "").unwrap();
        let writer = repository.writer(WriteOptions::default()).unwrap();
        let root = upload_tree(&writer, folder.path(), None, UploadOptions::default()).await.unwrap().root;
        writer.flush().await.unwrap();
        let browser = Arc::new(Browser::new(repository));
        let children = browser.children(&root).await.unwrap();
        let names: Vec<_> = children.iter().map(|child| child.name.to_str().unwrap()).collect();
        assert_eq!(names, ["empty", "large"]);
        let empty = browser.open(&children[0].entry).await.unwrap();
        assert!(empty.length() == 0 && browser.read(&empty, 0, 10).await.unwrap().is_empty());
        let file = browser.open(&children[1].entry).await.unwrap();
        assert!(file.length() == data.len() as u64 && file.pieces.len() > 2);
        let before = store.operations();
        let mut copy = Vec::new();
        while copy.len() < data.len() {
            copy.extend_from_slice(&browser.read(&file, copy.len() as u64, 128 << 10).await.unwrap());
        }
        assert!(copy == data);
        assert_eq!(store.operations() - before, file.pieces.len() as u64);
        for (start, length) in [(4_000_000, 9_000_000), (1, 1), (data.len() as u64 - 5, 100)] {
            let end = (start as usize + length).min(data.len());
            assert!(browser.read(&file, start, length).await.unwrap() == data[start as usize..end]);
        }
        assert!(browser.read(&file, u64::MAX, usize::MAX).await.unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_content_of_a_device_has_the_last_part_of_its_path_as_name() {
        let repository = create(Arc::new(MemoryStore::default())).await;
        let writer = repository.writer(WriteOptions::default()).unwrap();
        let device: Box<dyn std::io::Read + Send> = Box::new(&b"block"[..]);
        let uploaded = upload_stream(&writer, "/dev/xvda", device, UploadOptions::default()).await.unwrap();
        writer.flush().await.unwrap();
        let browser = Arc::new(Browser::new(repository));
        let children = browser.children(&uploaded.root).await.unwrap();
        let [child] = &children[..] else { panic!("{children:?}") };
        assert_eq!((child.name.to_str(), child.entry.kind), (Some("xvda"), EntryKind::File));
        let file = browser.open(&child.entry).await.unwrap();
        assert_eq!(browser.read(&file, 0, 100).await.unwrap(), "block");
        for name in ["..", "/", "", "a/.."] {
            let entry = snapshot::DirectoryEntry::new(name.as_ref(), EntryKind::File);
            assert_eq!(shown_name(&entry), None, "{name}");
        }
    }
}

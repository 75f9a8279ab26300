//! Trees that no disk holds, and a store that forgets data: for sizes that a test machine has no room for.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use kopia::blob::{BlobMetadata, BlobResult, BlobStore, FileSystemStore, PutOptions, Retention};
use kopia::snapshot::FileMode;
use kopia::upload::{Attributes, Child, Source, SourceFile, SourceFolder, SourceKind, SourceRoot};

/// Folders of files of one size, whose bytes are random but the same for the same place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Synthetic {
    pub(crate) folders: u64,
    pub(crate) files_per_folder: u64,
    pub(crate) size: u64,
    /// After so many bytes the content of a file repeats itself.
    pub(crate) period: u64,
}

/// Eight pseudo-random bytes, the same for the same number.
pub(crate) fn random(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Synthetic {
    fn attributes(self, kind: SourceKind) -> Attributes {
        let modified = Timestamp::from_second(1_700_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
        Attributes { kind, size: self.size, mode: FileMode(0o644), modified, uid: 1000, gid: 1000 }
    }
}

/// The number at the end of a name.
fn number(name: &OsStr) -> io::Result<u64> {
    let digits = name.to_str().and_then(|name| name.get(1..)).and_then(|digits| digits.parse().ok());
    digits.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn children(letter: char, count: u64, kind: SourceKind) -> impl Iterator<Item = Child> {
    let name = move |number| OsString::from(format!("{letter}{number:07}"));
    (0..count).map(move |number| Child { name: name(number), kind: Some(kind) })
}

impl Source for Synthetic {
    fn name(&self) -> OsString {
        "synthetic".into()
    }

    fn root(&self) -> io::Result<SourceRoot> {
        Ok(SourceRoot::Folder)
    }

    fn folder(&self, path: &Path) -> io::Result<Arc<dyn SourceFolder>> {
        let number = path.file_name().map(number).transpose()?;
        Ok(Arc::new(Folder { tree: *self, number }))
    }

    fn attributes(&self, _path: &Path) -> io::Result<Attributes> {
        Ok(Self::attributes(*self, SourceKind::Folder))
    }
}

/// The root, or a numbered folder in it.
#[derive(Debug)]
struct Folder {
    tree: Synthetic,
    number: Option<u64>,
}

impl SourceFolder for Folder {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(self.tree.attributes(SourceKind::Folder))
    }

    fn children(&self, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        match self.number {
            None => children('d', self.tree.folders, SourceKind::Folder).try_for_each(take),
            Some(_) => children('f', self.tree.files_per_folder, SourceKind::File).try_for_each(take),
        }
    }

    fn child(&self, _name: &OsStr) -> io::Result<Attributes> {
        let kind = if self.number.is_none() { SourceKind::Folder } else { SourceKind::File };
        Ok(self.tree.attributes(kind))
    }

    fn open(&self, name: &OsStr) -> io::Result<Box<dyn SourceFile + '_>> {
        let file = self.number.unwrap_or(0) * self.tree.files_per_folder + number(name)?;
        Ok(Box::new(File { tree: self.tree, seed: file, at: 0 }))
    }

    fn read_link(&self, _name: &OsStr) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// An open file.
struct File {
    tree: Synthetic,
    seed: u64,
    at: u64,
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min((self.tree.size - self.at) as usize);
        let base = self.seed << 40;
        let mut at = self.at % self.tree.period;
        let mut rest = &mut buffer[..count];
        while !rest.is_empty() {
            // The bytes depend on their place alone, however they are read: else nothing would repeat itself.
            let (word, skip) = (at / 8, (at % 8) as usize);
            let length = rest.len().min(8 - skip);
            let (chunk, later) = rest.split_at_mut(length);
            chunk.copy_from_slice(&random(base + word).to_le_bytes()[skip..skip + length]);
            rest = later;
            at = (at + length as u64) % self.tree.period;
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl SourceFile for File {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(self.tree.attributes(SourceKind::File))
    }
}

/// Keeps everything but the data of files.
#[derive(Debug)]
pub(crate) struct Forgetful(pub(crate) FileSystemStore);

#[async_trait]
impl BlobStore for Forgetful {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        self.0.get(id, range).await
    }

    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()> {
        if id.starts_with('p') { Ok(()) } else { self.0.put(id, data, options).await }
    }

    async fn delete(&self, id: &str) -> BlobResult<()> {
        self.0.delete(id).await
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        self.0.metadata(id).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        self.0.list(prefix)
    }

    async fn extend_retention(&self, id: &str, retention: Retention) -> BlobResult<()> {
        self.0.extend_retention(id, retention).await
    }
}

//! Blobs as files, sharded into folders the way Kopia does it.
//!
//! `.shards` in the root says how names are cut: with `[1,3]`, `p3bf9b8…` is the file `p/3bf/9b8….f`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use fs_err as fs;
use fs_err::os::unix::fs::FileExt as _;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{BlobError, BlobMetadata, BlobResult, BlobStore, PutOptions, check_name};
use crate::buffers::Buffers;

const SUFFIX: &str = ".f";
const SHARDS_FILE: &str = ".shards";

/// A repository in a folder.
#[derive(Debug, Clone)]
pub struct FileSystemStore {
    root: Arc<Path>,
    sharding: Arc<Sharding>,
    /// For the long reads of a restore.
    buffers: Arc<Buffers>,
}

/// Shorter reads get memory of their own.
const LONG_READ: usize = 1 << 20;
/// Buffers that wait for the next long read.
const BUFFERS: usize = 8;

/// The content of `.shards`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sharding {
    #[serde(default)]
    default: Vec<usize>,
    #[serde(rename = "maxNonShardedLength", default)]
    max_non_sharded_length: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    overrides: Vec<Override>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Override {
    prefix: String,
    shards: Vec<usize>,
}

impl Sharding {
    fn created() -> Self {
        Self { default: vec![1, 3], max_non_sharded_length: 20, overrides: Vec::new() }
    }

    /// What applies to a repository without the file.
    fn legacy() -> Self {
        Self { default: vec![3, 3], max_non_sharded_length: 20, overrides: Vec::new() }
    }

    fn path(&self, root: &Path, id: &str) -> PathBuf {
        let mut path = root.to_owned();
        let mut rest = id;
        if id.len() > self.max_non_sharded_length {
            let special = self.overrides.iter().find(|candidate| id.starts_with(&candidate.prefix));
            for width in special.map_or(&self.default, |found| &found.shards) {
                let Some((shard, tail)) = rest.split_at_checked(*width).filter(|(_, tail)| !tail.is_empty())
                else {
                    break;
                };
                path.push(shard);
                rest = tail;
            }
        }
        path.push(format!("{rest}{SUFFIX}"));
        path
    }
}

impl FileSystemStore {
    /// Opens the folder of an existing repository.
    ///
    /// # Errors
    /// When the folder is missing or unreadable, or `.shards` makes no sense.
    pub fn open(root: impl Into<PathBuf>) -> BlobResult<Self> {
        let root = root.into();
        fs::metadata(&root).map_err(from_io)?;
        let sharding = match fs::read(root.join(SHARDS_FILE)) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| BlobError::Other { retryable: false, source: source.into() })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Sharding::legacy(),
            Err(error) => return Err(from_io(error)),
        };
        let buffers = Arc::new(Buffers::keeping(BUFFERS));
        Ok(Self { root: root.into(), sharding: Arc::new(sharding), buffers })
    }

    /// Prepares a folder for a new repository; an existing one keeps its sharding.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn create(root: impl Into<PathBuf>) -> BlobResult<Self> {
        let root = root.into();
        make_dirs(&root).map_err(from_io)?;
        let shards = root.join(SHARDS_FILE);
        if !shards.exists() {
            let mut text = serde_json::to_vec(&Sharding::created())
                .map_err(|source| BlobError::Other { retryable: false, source: source.into() })?;
            text.push(b'\n');
            replace(&shards, &text, false).map_err(from_io)?;
        }
        Self::open(root)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        id: &str,
        work: impl FnOnce(&Path) -> BlobResult<T> + Send + 'static,
    ) -> BlobResult<T> {
        check_name(id)?;
        let path = self.sharding.path(&self.root, id);
        tokio::task::spawn_blocking(move || work(&path))
            .await
            .map_err(|source| BlobError::Other { retryable: false, source: source.into() })?
    }
}

#[async_trait]
impl BlobStore for FileSystemStore {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        let buffers = self.buffers.clone();
        self.blocking(id, move |path| match range {
            Some(range) => read_range(path, range, &buffers),
            None => fs::read(path).map(Bytes::from).map_err(from_io),
        })
        .await
    }

    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()> {
        self.blocking(id, move |path| {
            if let Some(parent) = path.parent() {
                make_dirs(parent).map_err(from_io)?;
            }
            replace(path, &data, options.if_absent).map_err(from_io)
        })
        .await
    }

    async fn delete(&self, id: &str) -> BlobResult<()> {
        self.blocking(id, |path| match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(from_io),
        })
        .await
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        let name = id.to_owned();
        self.blocking(id, move |path| describe(name, &fs::metadata(path).map_err(from_io)?)).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        let (sender, receiver) = mpsc::channel(256);
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        tokio::task::spawn_blocking(move || {
            let send = &mut |found| sender.blocking_send(found).is_ok();
            if let Err(error) = walk(&root, "", &prefix, send) {
                send(Err(from_io(error)));
            }
        });
        stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|found| (found, receiver))
        })
        .boxed()
    }
}

/// Visits the files below `dir` whose names can start with `prefix`; stops (with `false`) when nobody listens.
fn walk(
    dir: &Path,
    name: &str,
    prefix: &str,
    send: &mut impl FnMut(BlobResult<BlobMetadata>) -> bool,
) -> io::Result<bool> {
    let entries = match fs::read_dir(dir) {
        // A folder may be removed by another client while we walk.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !name.is_empty() => return Ok(true),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(part) = file_name.to_str().filter(|part| !part.starts_with('.')) else { continue };
        let full = format!("{name}{part}");
        if entry.file_type()?.is_dir() {
            let possible = full.starts_with(prefix) || prefix.starts_with(&full);
            if possible && !walk(&entry.path(), &full, prefix, send)? {
                return Ok(false);
            }
        } else if let Some(id) = full.strip_suffix(SUFFIX).filter(|id| id.starts_with(prefix)) {
            match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                metadata => {
                    if !send(describe(id.to_owned(), &metadata?)) {
                        return Ok(false);
                    }
                }
            }
        }
    }
    Ok(true)
}

fn read_range(path: &Path, Range { start, end }: Range<u64>, buffers: &Arc<Buffers>) -> BlobResult<Bytes> {
    let file = fs::File::open(path).map_err(from_io)?;
    if start > end || end > file.metadata().map_err(from_io)?.len() {
        return Err(BlobError::InvalidRange { start, end });
    }
    let length = (end - start) as usize;
    if length < LONG_READ {
        let mut data = vec![0; length];
        file.read_exact_at(&mut data, start).map_err(from_io)?;
        return Ok(data.into());
    }
    let mut data = buffers.take_of(length);
    file.read_exact_at(&mut data, start).map_err(from_io)?;
    Ok(Bytes::from_owner(data))
}

/// Writes beside the target, makes it durable, and renames it into place.
fn replace(path: &Path, data: &[u8], if_absent: bool) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".tmp.{}", random_hex()?));
    let temporary = PathBuf::from(temporary);
    let result = write_new(&temporary, data).and_then(|()| {
        if if_absent { fs::hard_link(&temporary, path) } else { fs::rename(&temporary, path) }
    });
    if result.is_err() || if_absent {
        // Best effort: a file left behind is ignored by every reader.
        let _ = fs::remove_file(&temporary);
    }
    result?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn write_new(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(data)?;
    file.sync_all()
}

fn make_dirs(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn random_hex() -> io::Result<String> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    Ok(random.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn describe(id: String, metadata: &std::fs::Metadata) -> BlobResult<BlobMetadata> {
    let modified = metadata.modified().map_err(from_io)?;
    let modified = Timestamp::try_from(modified)
        .map_err(|source| BlobError::Other { retryable: false, source: source.into() })?;
    Ok(BlobMetadata { id, length: metadata.len(), modified })
}

fn from_io(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::NotFound => BlobError::NotFound,
        io::ErrorKind::AlreadyExists => BlobError::AlreadyExists,
        io::ErrorKind::PermissionDenied => BlobError::PermissionDenied { source: error.into() },
        kind => BlobError::Other { retryable: kind == io::ErrorKind::Interrupted, source: error.into() },
    }
}

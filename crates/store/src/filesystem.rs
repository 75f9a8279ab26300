//! A directory as a store: the key is the path. New content is written to a hidden file, synced, renamed into place,
//! and its directory synced. Nothing ever follows a symbolic link below the root.
//!
//! Differences that a directory forces: a key can't be an object and a directory of other objects at once
//! (`InvalidKey`), segments have at most 255 bytes, and keys under [`RESERVED`] are refused. Files are made readable
//! for their owner only, because backups hold Secrets.

mod beneath;
mod temporary;
#[cfg(test)]
mod tests;
mod walk;

use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};

use self::temporary::Temporary;
use crate::deadline::within;
use crate::error::{Error, ErrorKind, Result, listing};
use crate::key;
use crate::object::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PutOptions, SignedUrl,
};
use crate::range::{self, Pieces};

/// The directory under the root that holds unfinished puts. It is there only while there are any.
pub const RESERVED: &str = ".bowline-tmp";

/// The longest that one read, write or look-up may take; a mounted network directory can hang.
const STEP: Duration = Duration::from_mins(1);
/// The longest that a finished file may take to reach the disk: all of it may still be in memory.
const SYNC: Duration = Duration::from_mins(10);
const PIECE: usize = 1 << 20;

/// Objects as files below a directory.
#[derive(Debug, Clone)]
pub struct FilesystemStore {
    root: Arc<Path>,
}

impl FilesystemStore {
    /// Opens the directory for reading and writing. It is made when only its last segment is missing, so that an
    /// unmounted volume is noticed. What crashed writers left behind is removed.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let store = Self::at(root.into());
        let path = store.root.clone();
        let action = format!("open the directory {}", path.display());
        store
            .blocking(action.clone(), move || {
                match rustix::fs::mkdir(&*path, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(root_error(errno, action)),
                }
                let root = open_root(&path, &action)?;
                temporary::clean(&root).map_err(|errno| error(errno, action))
            })
            .await?;
        Ok(store)
    }

    /// Opens an existing directory and changes nothing in it.
    pub async fn open_existing(root: impl Into<PathBuf>) -> Result<Self> {
        let store = Self::at(root.into());
        let path = store.root.clone();
        let action = format!("open the directory {}", path.display());
        store.blocking(action.clone(), move || open_root(&path, &action).map(drop)).await?;
        Ok(store)
    }

    fn at(root: PathBuf) -> Self {
        Self { root: root.into() }
    }

    /// Runs file system calls where they may block. A dropped future lets the call finish unseen.
    async fn blocking<T: Send + 'static>(
        &self,
        action: String,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let panicked = action.clone();
        within(STEP, || action, async {
            match tokio::task::spawn_blocking(work).await {
                Ok(result) => result,
                Err(cause) => Err(Error::new(ErrorKind::Other, panicked).with_source(cause)),
            }
        })
        .await
    }

    async fn open_object(&self, key: &str) -> Result<(std::fs::File, ObjectMeta)> {
        check(key)?;
        let (root, key, action) = (self.root.clone(), key.to_owned(), format!("read {key}"));
        self.blocking(action.clone(), move || {
            let root = open_root(&root, &action)?;
            let (parents, name) = beneath::split(&key);
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let opened = beneath::open(&root, parents)
                .and_then(|parent| rustix::fs::openat(&parent, name, flags, Mode::empty()))
                .and_then(|file| Ok((rustix::fs::fstat(&file)?, file)));
            let (stat, file) = opened.map_err(|errno| read_error(errno, action.clone()))?;
            if !beneath::is_regular(&stat) {
                return Err(Error::new(ErrorKind::NotFound, action).with_detail("it is not a regular file"));
            }
            Ok((std::fs::File::from(file), walk::meta(key, &stat)))
        })
        .await
    }
}

#[async_trait]
impl ObjectStore for FilesystemStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { signed_urls: false, conditional_put: true }
    }

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        check(key)?;
        let action = format!("put {key}");
        let (root, what) = (self.root.clone(), action.clone());
        let (temporary, file) = self
            .blocking(action.clone(), move || {
                let root = open_root(&root, &what)?;
                Temporary::create(root).map_err(|errno| error(errno, what))
            })
            .await?;
        self.write(key, tokio::fs::File::from_std(file), body).await?;
        let (key, what) = (key.to_owned(), action.clone());
        self.blocking(action, move || {
            temporary.publish(&key, options.if_absent).map_err(|errno| put_error(errno, what))
        })
        .await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        let (mut file, meta) = self.open_object(key).await?;
        let range = range::resolve(key, range, meta.size)?;
        let action = format!("read {key}");
        // This only sets a number, so it needs no other thread.
        file.seek(SeekFrom::Start(range.start)).map_err(|cause| io_error(&cause, action.clone()))?;
        let file = tokio::fs::File::from_std(file);
        let reading = Reading { file, left: range.end - range.start, action };
        let body = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|piece| (piece, reading)))
        });
        Ok(Object { meta, range, body: body.boxed() })
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        Ok(self.open_object(key).await?.1)
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        key::check_prefix(&request.prefix)?;
        let action = listing(&request.prefix);
        let (root, request) = (self.root.clone(), request.clone());
        self.blocking(action.clone(), move || {
            let root = open_root(&root, &action)?;
            walk::page(&root, &request).map_err(|errno| error(errno, action))
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        check(key)?;
        let (root, key, action) = (self.root.clone(), key.to_owned(), format!("delete {key}"));
        self.blocking(action.clone(), move || {
            let root = open_root(&root, &action)?;
            beneath::remove(&root, &key).map_err(|errno| error(errno, action))
        })
        .await
    }

    async fn signed_url(&self, key: &str, _ttl: Duration) -> Result<SignedUrl> {
        Err(Error::new(ErrorKind::NotSupported, format!("make a URL for {key}")))
    }
}

impl FilesystemStore {
    /// Writes a body and waits until it is on the disk.
    async fn write(&self, key: &str, file: tokio::fs::File, body: Body) -> Result<()> {
        let mut file = BufWriter::with_capacity(PIECE, file);
        let mut pieces = Pieces::new(key, body);
        while let Some(piece) = pieces.next().await? {
            step(STEP, key, file.write_all(&piece)).await?;
        }
        step(STEP, key, file.flush()).await?;
        step(SYNC, key, file.get_ref().sync_all()).await
    }
}

async fn step(limit: Duration, key: &str, work: impl Future<Output = std::io::Result<()>>) -> Result<()> {
    let action = || format!("put {key}");
    within(limit, action, async { work.await.map_err(|cause| io_error(&cause, action())) }).await
}

/// The part of a file that is still to be read.
struct Reading {
    file: tokio::fs::File,
    left: u64,
    action: String,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = self.left.min(PIECE as u64);
        let mut piece = BytesMut::with_capacity(wanted as usize);
        let (file, action) = (&mut self.file, || self.action.clone());
        within(STEP, action, async {
            file.take(wanted).read_buf(&mut piece).await.map_err(|cause| io_error(&cause, action()))
        })
        .await?;
        if piece.is_empty() {
            return Err(Error::new(ErrorKind::Corrupt, action()).with_detail("it ended early"));
        }
        self.left -= piece.len() as u64;
        Ok(Some(piece.freeze()))
    }
}

fn check(key: &str) -> Result<()> {
    key::check(key)?;
    let action = || format!("use the key {key:?}");
    if key.split('/').next() == Some(RESERVED) {
        return Err(Error::new(ErrorKind::InvalidKey, action()).with_detail("this directory is reserved"));
    }
    Ok(())
}

fn open_root(path: &Path, action: &str) -> Result<OwnedFd> {
    rustix::fs::open(path, beneath::DIRECTORY - OFlags::NOFOLLOW, Mode::empty())
        .map_err(|errno| root_error(errno, action.to_owned()))
}

fn root_error(errno: Errno, action: String) -> Error {
    match errno {
        Errno::NOENT => Error::new(ErrorKind::BucketNotFound, action)
            .with_detail("the directory does not exist")
            .with_hint("mount the volume, or create the directory of the setting path"),
        Errno::NOTDIR => Error::new(ErrorKind::Misconfigured, action).with_detail("it is not a directory"),
        _ => error(errno, action),
    }
}

fn read_error(errno: Errno, action: String) -> Error {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Error::new(ErrorKind::NotFound, action),
        _ => error(errno, action),
    }
}

fn put_error(errno: Errno, action: String) -> Error {
    match errno {
        Errno::EXIST => Error::new(ErrorKind::AlreadyExists, action),
        Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY => {
            let why = "a directory can't hold an object and a directory of the same name";
            Error::new(ErrorKind::InvalidKey, action).with_detail(why)
        }
        _ => error(errno, action),
    }
}

fn error(errno: Errno, action: String) -> Error {
    let kind = match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => ErrorKind::Full,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => ErrorKind::PermissionDenied,
        Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL => ErrorKind::InvalidKey,
        Errno::TIMEDOUT => ErrorKind::Timeout,
        Errno::LOOP => {
            let why = "a symbolic link is in the way, and links are not followed";
            return Error::new(ErrorKind::PermissionDenied, action).with_detail(why);
        }
        _ => ErrorKind::Other,
    };
    Error::new(kind, action).with_source(std::io::Error::from(errno))
}

fn io_error(cause: &std::io::Error, action: String) -> Error {
    match Errno::from_io_error(cause) {
        Some(errno) => error(errno, action),
        None => Error::new(ErrorKind::Other, action).with_source(std::io::Error::from(cause.kind())),
    }
}

/// Removes a directory entry and ignores that it is already gone.
fn unlink_if_there(directory: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

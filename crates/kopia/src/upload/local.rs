//! The trees of this machine's file systems.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, SeekFrom, Stat, fstat, openat, readlinkat, seek, statat,
};

use super::source::{Attributes, Child, Source, SourceFile, SourceFolder, SourceKind, SourceRoot};
use crate::snapshot::{FileMode, Xattrs};
use crate::xattrs;

/// Bytes of a folder's listing that the system hands over at once.
const LISTING: usize = 16 << 10;

/// A folder or a file on disk, and all below it. Links below the root are not followed; the root itself may be one.
#[derive(Debug)]
pub struct LocalTree {
    path: PathBuf,
    root: OwnedFd,
}

impl LocalTree {
    /// Opens the root.
    ///
    /// # Errors
    /// When it does not exist, or may not be read.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let stat = statat(CWD, &path, AtFlags::empty())?;
        let root = if kind(FileType::from_raw_mode(stat.st_mode)) == SourceKind::Folder {
            openat(CWD, &path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?
        } else {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat(CWD, folder.unwrap_or(Path::new(".")), flags, Mode::empty())?
        };
        Ok(Self { path, root })
    }
}

impl Source for LocalTree {
    fn name(&self) -> OsString {
        self.path.file_name().unwrap_or(OsStr::new("/")).to_owned()
    }

    fn root(&self) -> io::Result<SourceRoot> {
        let stat = statat(CWD, &self.path, AtFlags::empty())?;
        if kind(FileType::from_raw_mode(stat.st_mode)) == SourceKind::Folder {
            return Ok(SourceRoot::Folder);
        }
        let folder = Arc::new(LocalFolder(self.root.try_clone()?));
        Ok(SourceRoot::File { folder, child: Child { name: self.name(), kind: None } })
    }

    fn folder(&self, path: &Path) -> io::Result<Arc<dyn SourceFolder>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Arc::new(LocalFolder(openat(&self.root, path, flags, Mode::empty())?)))
    }

    fn attributes(&self, path: &Path) -> io::Result<Attributes> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(attributes(&statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW)?))
    }
}

#[derive(Debug)]
struct LocalFolder(OwnedFd);

impl SourceFolder for LocalFolder {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(attributes(&fstat(&self.0)?))
    }

    fn xattrs(&self) -> Xattrs {
        xattrs::read(&self.0)
    }

    fn children(&self, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); LISTING];
        seek(&self.0, SeekFrom::Start(0))?;
        let mut listing = RawDir::new(&self.0, &mut buffer);
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let known = entry.file_type();
            let kind = (known != FileType::Unknown).then(|| kind(known));
            take(Child { name: name.to_owned(), kind })?;
        }
        Ok(())
    }

    fn child(&self, name: &OsStr) -> io::Result<Attributes> {
        Ok(attributes(&statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn child_xattrs(&self, name: &OsStr) -> Xattrs {
        xattrs::read_at(self.0.as_fd(), name)
    }

    fn open(&self, name: &OsStr) -> io::Result<Box<dyn SourceFile + '_>> {
        // A pipe that took the file's place must not block us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(Box::new(LocalFile(File::from(openat(&self.0, name, flags, Mode::empty())?))))
    }

    fn read_link(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        Ok(readlinkat(&self.0, name, Vec::new())?.into_bytes())
    }
}

struct LocalFile(File);

impl Read for LocalFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl SourceFile for LocalFile {
    fn attributes(&self) -> io::Result<Attributes> {
        Ok(attributes(&fstat(&self.0)?))
    }

    fn xattrs(&self) -> Xattrs {
        xattrs::read(&self.0)
    }
}

fn kind(file_type: FileType) -> SourceKind {
    match file_type {
        FileType::RegularFile => SourceKind::File,
        FileType::Directory => SourceKind::Folder,
        FileType::Symlink => SourceKind::Link,
        _ => SourceKind::Special,
    }
}

fn attributes(stat: &Stat) -> Attributes {
    Attributes {
        kind: kind(FileType::from_raw_mode(stat.st_mode)),
        size: stat.st_size as u64,
        mode: FileMode::from_unix(stat.st_mode),
        modified: Timestamp::new(stat.st_mtime, stat.st_mtime_nsec as i32).unwrap_or(Timestamp::UNIX_EPOCH),
        uid: stat.st_uid,
        gid: stat.st_gid,
    }
}

//! Unfinished puts: files in a reserved directory, each locked by its writer, so that another process can tell a
//! crashed writer's file from one that is being written.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, Result};

use super::{RESERVED, beneath, unlink_if_there};

/// How often a put starts again when a directory vanishes under it, because the last object in it was deleted.
const ATTEMPTS: usize = 16;
/// Without working locks, younger files may belong to a living writer.
const ABANDONED: Duration = Duration::from_hours(24);

/// A file that nobody sees yet. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Temporary {
    root: OwnedFd,
    directory: OwnedFd,
    name: String,
    published: bool,
    /// Holds the lock until the file has its final place.
    _lock: File,
}

impl Temporary {
    /// A new file, and the handle to write it with.
    pub(super) fn create(root: OwnedFd) -> Result<(Self, File)> {
        let mut failure = Errno::NOENT;
        for _ in 0..ATTEMPTS {
            match Self::try_create(&root) {
                Ok((directory, name, file)) => {
                    let lock = file.try_clone().map_err(|_| Errno::MFILE)?;
                    return Ok((Self { root, directory, name, published: false, _lock: lock }, file));
                }
                // Another writer removed the directory, or the cleaner got hold of the file: once more.
                Err(errno @ (Errno::NOENT | Errno::WOULDBLOCK | Errno::STALE)) => failure = errno,
                Err(errno) => return Err(errno),
            }
        }
        Err(failure)
    }

    fn try_create(root: &OwnedFd) -> Result<(OwnedFd, String, File)> {
        match rustix::fs::mkdirat(root, RESERVED, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        let directory = beneath::open(root, RESERVED)?;
        let name = uuid::Uuid::new_v4().simple().to_string();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&directory, &name, flags, Mode::RUSR | Mode::WUSR)?);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => {}
            Err(errno) => return Err(errno),
        }
        // Between its creation and the lock, the cleaner may have taken it for an abandoned one.
        if rustix::fs::fstat(&file)?.st_nlink == 0 {
            return Err(Errno::STALE);
        }
        Ok((directory, name, file))
    }

    /// Gives the file its key, durably. `EXIST` when `if_absent` and the key is taken.
    pub(super) fn publish(mut self, key: &str, if_absent: bool) -> Result<()> {
        let (parents, name) = beneath::split(key);
        let mut failure = Errno::NOENT;
        for _ in 0..ATTEMPTS {
            let parent = beneath::create(&self.root, parents);
            match parent.and_then(|parent| self.rename(&parent, name, if_absent).map(|()| parent)) {
                Ok(parent) => {
                    self.published = true;
                    return rustix::fs::fsync(&parent);
                }
                Err(Errno::NOENT) => failure = Errno::NOENT,
                Err(errno) => return Err(errno),
            }
        }
        Err(failure)
    }

    fn rename(&self, parent: &OwnedFd, name: &str, if_absent: bool) -> Result<()> {
        if !if_absent {
            return rustix::fs::renameat(&self.directory, &self.name, parent, name);
        }
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&self.directory, &self.name, parent, name, flags) {
            // A file system without this flag, NFS for one: a hard link is as exclusive.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(&self.directory, &self.name, parent, name, AtFlags::empty())?;
                unlink_if_there(&self.directory, &self.name)
            }
            renamed => renamed,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: what stays is not visible, and the next open removes it.
            let _ = unlink_if_there(&self.directory, &self.name);
        }
        let _ = rustix::fs::unlinkat(&self.root, RESERVED, AtFlags::REMOVEDIR);
    }
}

/// Removes what crashed writers left, and the reserved directory when it is empty then.
pub(super) fn clean(root: &OwnedFd) -> Result<()> {
    let directory = match beneath::open(root, RESERVED) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if name != "." && name != ".." && is_abandoned(&directory, &name) {
            unlink_if_there(&directory, &name)?;
        }
    }
    let _ = rustix::fs::unlinkat(root, RESERVED, AtFlags::REMOVEDIR);
    Ok(())
}

fn is_abandoned(directory: &OwnedFd, name: &str) -> bool {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(directory, name, flags, Mode::empty()) else { return false };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => true,
        Err(Errno::WOULDBLOCK) => false,
        Err(_) => File::from(file)
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > ABANDONED)),
    }
}

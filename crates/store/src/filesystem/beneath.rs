//! Walking from the root to a key's directory, one segment at a time, never through a symbolic link. Keys have no
//! `..`, so this is all that staying below the root takes; it works on every file system and kernel.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, Result};

use super::unlink_if_there;

/// How every directory is opened.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directories of a key ("" for none) and its last segment.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

fn segments(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Opens the directory `path` below `root`. `LOOP` when a symbolic link is in the way.
pub(super) fn open(root: &OwnedFd, path: &str) -> Result<OwnedFd> {
    segments(path)
        .try_fold(root.try_clone().map_err(|_| Errno::MFILE)?, |directory, name| enter(&directory, name))
}

/// As [`open`], making what is missing. What was made is durable before it is used.
pub(super) fn create(root: &OwnedFd, path: &str) -> Result<OwnedFd> {
    segments(path).try_fold(root.try_clone().map_err(|_| Errno::MFILE)?, |directory, name| {
        match enter(&directory, name) {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdirat(&directory, name, Mode::RWXU) {
                    Ok(()) => rustix::fs::fsync(&directory)?,
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
                enter(&directory, name)
            }
            entered => entered,
        }
    })
}

fn enter(directory: &OwnedFd, name: &str) -> Result<OwnedFd> {
    match rustix::fs::openat(directory, name, DIRECTORY, Mode::empty()) {
        Err(Errno::NOTDIR) if is_symlink(directory, name) => Err(Errno::LOOP),
        entered => entered,
    }
}

fn is_symlink(directory: &OwnedFd, name: &str) -> bool {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

pub(super) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Removes the file of a key and the directories that became empty; succeeds when there is no such file.
pub(super) fn remove(root: &OwnedFd, key: &str) -> Result<()> {
    let (parents, name) = split(key);
    let parent = match open(root, parents) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        opened => opened?,
    };
    match unlink_if_there(&parent, name) {
        // A directory is not an object.
        Err(Errno::ISDIR) => return Ok(()),
        removed => removed?,
    }
    rustix::fs::fsync(&parent)?;
    prune(root, parents);
    Ok(())
}

/// Removes empty directories from the innermost outwards. One that fills up again meanwhile stays; failing to remove
/// one is no harm, because listings leave empty directories out.
fn prune(root: &OwnedFd, mut path: &str) {
    while !path.is_empty() {
        let (parents, name) = split(path);
        let Ok(parent) = open(root, parents) else { return };
        if rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR).is_err() {
            return;
        }
        path = parents;
    }
}

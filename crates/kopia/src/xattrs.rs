//! Extended attributes of files, as this crate's extension to directory entries.

mod syscall;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{flistxattr, llistxattr};
use xattr::FileExt;

use crate::snapshot::Xattrs;

/// Set by the system of each machine for itself.
const LEFT_OUT: [&str; 2] = ["security.selinux", "trusted.overlay."];

/// Room for the names of most files' attributes.
const NAMES: usize = 512;

/// The attributes of an open file or folder; unreadable ones count as absent.
pub(crate) fn read(file: impl AsFd) -> Xattrs {
    // Nearly every file has none, so one call must be enough to know that.
    if flistxattr(&file, &mut [0; NAMES]) == Ok(0) {
        return None;
    }
    collect(&in_proc(file.as_fd()))
}

/// The attributes of a file of an open directory.
pub(crate) fn read_at(directory: BorrowedFd<'_>, name: &OsStr) -> Xattrs {
    if syscall::has_none(directory, name) == Some(true) {
        return None;
    }
    let mut path = in_proc(directory);
    path.push(name);
    if llistxattr(&path, &mut [0; NAMES]) == Ok(0) {
        return None;
    }
    collect(&path)
}

/// A path to what is open. With a name behind it no link at its end is followed, without one the link of `/proc` must be.
fn in_proc(open: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
}

fn collect(path: &Path) -> Xattrs {
    let direct = path.parent() == Some(Path::new("/proc/self/fd"));
    let list = || if direct { xattr::list_deref(path) } else { xattr::list(path) };
    let get = |name: &OsStr| if direct { xattr::get_deref(path, name) } else { xattr::get(path, name) };
    let wanted = |name: &OsString| !LEFT_OUT.iter().any(|left| name.as_bytes().starts_with(left.as_bytes()));
    let found: BTreeMap<String, String> = list()
        .ok()?
        .filter(wanted)
        .filter_map(|name| Some((name.to_str()?.to_owned(), hex::encode(get(&name).ok()??))))
        .collect();
    (!found.is_empty()).then(|| Box::new(found))
}

/// Sets attributes on a restored file. Those that the file system or our rights do not allow are answered.
pub(crate) fn write(file: &File, attributes: &BTreeMap<String, String>) -> Vec<(String, std::io::Error)> {
    let set = |(name, value): (&String, &String)| {
        let value = hex::decode(value).map_err(|_| std::io::Error::other("invalid value"));
        let result = value.and_then(|value| file.set_xattr(name, &value));
        result.err().map(|error| (name.clone(), error))
    };
    attributes.iter().filter_map(set).collect()
}

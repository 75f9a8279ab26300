//! Extended attributes of files, as this crate's extension to directory entries.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use xattr::FileExt;

/// Set by the system of each machine for itself.
const LEFT_OUT: [&str; 2] = ["security.selinux", "trusted.overlay."];

type Attributes = Option<Box<BTreeMap<String, String>>>;

/// The attributes of an open file; unreadable ones count as absent.
pub(crate) fn read(file: &File) -> Attributes {
    let names = file.list_xattr().ok()?;
    collect(names, |name| file.get_xattr(name))
}

/// The attributes of a file of an open directory.
pub(crate) fn read_at(directory: BorrowedFd<'_>, name: &OsStr) -> Attributes {
    let mut path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    path.push(name);
    let names = xattr::list(&path).ok()?;
    collect(names, |name| xattr::get(&path, name))
}

fn collect(
    names: impl Iterator<Item = std::ffi::OsString>,
    get: impl Fn(&OsStr) -> std::io::Result<Option<Vec<u8>>>,
) -> Attributes {
    let wanted =
        names.filter(|name| !LEFT_OUT.iter().any(|left| name.as_bytes().starts_with(left.as_bytes())));
    let found: BTreeMap<String, String> =
        wanted.filter_map(|name| Some((name.to_str()?.to_owned(), hex::encode(get(&name).ok()??)))).collect();
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

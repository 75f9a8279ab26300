//! Listings of a directory tree in the order of keys, a page at a time. Holds the names of one directory per level.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::{Errno, Result};

use super::{RESERVED, beneath};
use crate::key;
use crate::object::{ListPage, ListRequest, ObjectMeta, PageToken};

/// Entries per page. Each page reads its directories anew, so pages are large, but in tests, which are to meet the
/// borders of pages.
const PAGE: usize = if cfg!(test) { 7 } else { 10_000 };
/// Deeper trees are none of ours: a key of 1024 bytes has at most 512 segments.
const MAX_DEPTH: usize = 512;

/// One page; the token is the last key or common prefix of the page before.
pub(super) fn page(root: &OwnedFd, request: &ListRequest) -> Result<ListPage> {
    // "backups/fx-" lists the directory "backups/" and leaves out what does not begin with it.
    let start = request.prefix.rfind('/').map_or("", |slash| &request.prefix[..=slash]);
    let directory = match beneath::open(root, start) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(ListPage::default()),
        opened => opened?,
    };
    let after = request.token.as_ref().map(|token| token.0.as_str());
    let mut walk = Walk { request, after, page: ListPage::default(), last: None };
    walk.directory(&directory, start, 0)?;
    Ok(walk.page)
}

struct Walk<'a> {
    request: &'a ListRequest,
    after: Option<&'a str>,
    page: ListPage,
    last: Option<String>,
}

impl Walk<'_> {
    /// Adds what is below `directory`, whose keys begin with `path`. True when the page is full.
    fn directory(&mut self, directory: &OwnedFd, path: &str, depth: usize) -> Result<bool> {
        if depth > MAX_DEPTH {
            return Ok(false);
        }
        for name in sorted_names(directory)? {
            let key = format!("{path}{name}");
            if self.is_wanted(&key) && self.entry(directory, &name, key, depth)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the key of a file, or for a directory some key below it, can be in this page.
    fn is_wanted(&self, key: &str) -> bool {
        let prefix = self.request.prefix.as_str();
        let in_prefix = key.starts_with(prefix) || (key.ends_with('/') && prefix.starts_with(key));
        let behind =
            self.after.is_none_or(|after| key > after || (key.ends_with('/') && after.starts_with(key)));
        let is_done = self.request.delimited && self.after == Some(key);
        in_prefix && behind && !is_done && key.split('/').next() != Some(RESERVED)
    }

    /// Adds one file or directory. True when the page was full already.
    fn entry(&mut self, parent: &OwnedFd, name: &str, key: String, depth: usize) -> Result<bool> {
        let Some(name) = name.strip_suffix('/') else {
            return match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if beneath::is_regular(&stat) => Ok(self.add(key, Some(&stat))),
                Ok(_) | Err(Errno::NOENT) => Ok(false),
                Err(errno) => Err(errno),
            };
        };
        let directory = match beneath::open(parent, name) {
            // Deleted or replaced since it was listed.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            opened => opened?,
        };
        if self.request.delimited && key.starts_with(&self.request.prefix) {
            return Ok(has_object(&directory, depth)? && self.add(key, None));
        }
        self.directory(&directory, &key, depth + 1)
    }

    fn add(&mut self, key: String, stat: Option<&Stat>) -> bool {
        if self.page.objects.len() + self.page.prefixes.len() == PAGE {
            self.page.next = self.last.take().map(PageToken);
            return true;
        }
        self.last = Some(key.clone());
        match stat {
            Some(stat) => self.page.objects.push(meta(key, stat)),
            None => self.page.prefixes.push(key),
        }
        false
    }
}

/// The names in a directory that can be part of a key, those of directories with a `/` at their end, in the order
/// of the keys below them.
fn sorted_names(directory: &OwnedFd) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if key::check(name).is_err() {
            continue;
        }
        match kind(directory, name, entry.file_type())? {
            FileType::RegularFile => names.push(name.to_owned()),
            FileType::Directory => names.push(format!("{name}/")),
            _ => {}
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Some file systems don't tell the type in the listing.
fn kind(directory: &OwnedFd, name: &str, told: FileType) -> Result<FileType> {
    if told != FileType::Unknown {
        return Ok(told);
    }
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode)),
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        Err(errno) => Err(errno),
    }
}

fn has_object(directory: &OwnedFd, depth: usize) -> Result<bool> {
    for name in sorted_names(directory)? {
        let Some(child) = name.strip_suffix('/') else { return Ok(true) };
        match beneath::open(directory, child) {
            Ok(child) if depth < MAX_DEPTH && has_object(&child, depth + 1)? => return Ok(true),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(false)
}

pub(super) fn meta(key: String, stat: &Stat) -> ObjectMeta {
    let modified = jiff::Timestamp::new(stat.st_mtime, stat.st_mtime_nsec as i32).ok();
    ObjectMeta { key, size: stat.st_size as u64, modified }
}

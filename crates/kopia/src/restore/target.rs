//! The folder that is restored into, and what is made in it. No path leads out of it: every one is resolved below its open
//! root, without following links.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown,
    futimens, mkdirat, openat, openat2, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::fetch::Receiver;
use super::plan::Wanted;
use super::{Counters, RestoreOptions};
use crate::snapshot::DirectoryEntry;
use crate::xattrs;

/// Zeros that are worth a hole.
const HOLE: usize = 64 << 10;

/// The open folder.
#[derive(Debug)]
pub(super) struct Target {
    root: OwnedFd,
    pub(super) options: RestoreOptions,
    pub(super) counters: Counters,
}

/// A directory that is being restored. It gets its mode and times when its last child is done.
#[derive(Debug)]
pub(super) struct Folder {
    parent: Option<Arc<Self>>,
    path: PathBuf,
    entry: DirectoryEntry,
    waiting: AtomicUsize,
}

/// A file that is being restored.
#[derive(Debug)]
pub(super) struct Restoring {
    pub(super) folder: Arc<Folder>,
    pub(super) path: PathBuf,
    pub(super) entry: DirectoryEntry,
    /// Pieces to come.
    missing: AtomicUsize,
    failed: AtomicBool,
    skipped: AtomicBool,
    /// Whether it was made before its pieces came.
    pub(super) prepared: bool,
    /// One thread writes at a time. The kernel sees to that too, but lets the others burn their time waiting.
    writing: Mutex<()>,
}

impl Folder {
    pub(super) fn new(parent: Option<Arc<Self>>, path: PathBuf, entry: DirectoryEntry) -> Arc<Self> {
        if let Some(parent) = &parent {
            parent.waiting.fetch_add(1, Ordering::Relaxed);
        }
        Arc::new(Self { parent, path, entry, waiting: AtomicUsize::new(1) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The listing of the folder.
    pub(super) fn object(&self) -> crate::Result<crate::object::ObjectId> {
        self.entry.object()
    }

    /// A file in this folder whose pieces are to come.
    pub(super) fn file(
        self: &Arc<Self>,
        path: PathBuf,
        entry: DirectoryEntry,
        pieces: usize,
        prepared: bool,
    ) -> Restoring {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Restoring {
            folder: self.clone(),
            path,
            entry,
            missing: AtomicUsize::new(pieces),
            failed: AtomicBool::new(false),
            skipped: AtomicBool::new(false),
            prepared,
            writing: Mutex::default(),
        }
    }

    /// The listing or a child is done; the last one finishes the folder, and so on upwards.
    pub(super) fn release(&self, target: &Target) {
        let mut folder = self;
        while folder.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            target.finish_folder(folder);
            match &folder.parent {
                Some(parent) => folder = parent,
                None => return,
            }
        }
    }
}

impl Target {
    pub(super) fn open(path: &Path, options: RestoreOptions) -> io::Result<Self> {
        fs_err::create_dir_all(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty())?;
        Ok(Self { root, options, counters: Counters::default() })
    }

    fn resolve(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root, path, flags | OFlags::CLOEXEC, mode, beneath) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS) => return self.resolve_by_steps(path, flags, mode),
                other => return other,
            }
        }
    }

    /// What `openat2` does, for kernels before 5.6.
    fn resolve_by_steps(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder = openat(&self.root, ".", step, Mode::empty())?;
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            if matches!(component, Component::ParentDir | Component::RootDir | Component::Prefix(_)) {
                return Err(Errno::XDEV);
            }
            if components.peek().is_none() {
                return openat(
                    &folder,
                    component.as_os_str(),
                    flags | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    mode,
                );
            }
            folder = openat(&folder, component.as_os_str(), step, Mode::empty())?;
        }
        Err(Errno::NOENT)
    }

    fn parent(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.resolve(path.parent().unwrap_or(Path::new("")), OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
    }

    /// Makes a folder, or takes one that is there.
    pub(super) fn make_folder(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = (self.parent(path)?, path.file_name().unwrap_or_default());
        match mkdirat(&parent, name, Mode::RWXU) {
            Err(Errno::EXIST) => {}
            other => return Ok(other?),
        }
        match self.resolve(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) if self.options.overwrite => {
                unlinkat(&parent, name, AtFlags::empty())?;
                Ok(mkdirat(&parent, name, Mode::RWXU)?)
            }
            other => Ok(other.map(|_| ())?),
        }
    }

    /// Makes a file. `None` when there is one already that is to be left alone.
    pub(super) fn make_file(&self, path: &Path) -> io::Result<Option<File>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let create = || self.resolve(path, flags, Mode::RUSR | Mode::WUSR);
        match create() {
            Err(Errno::EXIST) if self.options.overwrite => {
                // A new file instead of new bytes: other hard links of the old one keep what they have.
                unlinkat(self.parent(path)?, path.file_name().unwrap_or_default(), AtFlags::empty())?;
                Ok(Some(create()?.into()))
            }
            Err(Errno::EXIST) => Ok(None),
            other => Ok(Some(other?.into())),
        }
    }

    /// Opens a file made before.
    pub(super) fn open_file(&self, path: &Path) -> io::Result<File> {
        Ok(self.resolve(path, OFlags::WRONLY | OFlags::NOFOLLOW, Mode::empty())?.into())
    }

    /// Makes a link with its owner and time. `false` when something is there that is to be left alone.
    pub(super) fn make_link(&self, path: &Path, entry: &DirectoryEntry, link: &[u8]) -> io::Result<bool> {
        let (parent, name) = (self.parent(path)?, path.file_name().unwrap_or_default());
        match symlinkat(link, &parent, name) {
            Err(Errno::EXIST) if self.options.overwrite => {
                unlinkat(&parent, name, AtFlags::empty())?;
                symlinkat(link, &parent, name)?;
            }
            Err(Errno::EXIST) => return Ok(false),
            other => other?,
        }
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        if self.options.owners {
            let (uid, gid) = owner(entry);
            self.permit(chownat(&parent, name, uid, gid, nofollow))?;
        }
        self.permit(utimensat(&parent, name, &times(entry.modified), nofollow))?;
        Ok(true)
    }

    fn write(&self, wanted: &Wanted<Arc<Restoring>>, data: &[u8]) -> io::Result<Option<File>> {
        let Wanted { file, piece, .. } = wanted;
        let open =
            if file.prepared { self.open_file(&file.path).map(Some) } else { self.make_file(&file.path) };
        let Some(open) = open? else {
            self.skip(file);
            return Ok(None);
        };
        {
            let _alone = file.writing.lock().unwrap_or_else(PoisonError::into_inner);
            write_at(&open, piece.start, data, self.options.sparse && file.prepared)?;
        }
        self.counters.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.options.observer.on_bytes(data.len() as u64);
        Ok(Some(open))
    }

    /// A piece of a file is written; after the last one the file is finished.
    pub(super) fn piece_done(&self, file: &Restoring, written: io::Result<Option<File>>) {
        let open = written.unwrap_or_else(|error| {
            self.piece_failed(file, &error);
            None
        });
        if file.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish_file(file, open);
        }
    }

    /// A piece of a file could not be read or written.
    fn piece_failed(&self, file: &Restoring, error: &dyn std::error::Error) {
        if !file.failed.swap(true, Ordering::AcqRel) {
            self.counters.fail(&file.path, error);
        }
    }

    /// There is such a file already, which is left alone.
    fn skip(&self, file: &Restoring) {
        file.skipped.store(true, Ordering::Release);
        self.counters.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn finish_file(&self, file: &Restoring, open: Option<File>) {
        if file.skipped.load(Ordering::Acquire) {
            return file.folder.release(self);
        }
        if file.failed.load(Ordering::Acquire) {
            // What is not whole is worse than nothing.
            let _ = self.parent(&file.path).and_then(|parent| {
                unlinkat(parent, file.path.file_name().unwrap_or_default(), AtFlags::empty())
            });
        } else {
            let open = open.map_or_else(|| self.open_file(&file.path), Ok);
            match open.and_then(|open| self.apply(&open, &file.entry)) {
                Ok(()) => {
                    self.counters.files.fetch_add(1, Ordering::Relaxed);
                    self.options.observer.on_entry(&file.path);
                }
                Err(error) => self.counters.fail(&file.path, &error),
            }
        }
        file.folder.release(self);
    }

    fn finish_folder(&self, folder: &Folder) {
        let open = self.resolve(&folder.path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        match open.map_err(io::Error::from).and_then(|open| self.apply(&open.into(), &folder.entry)) {
            Ok(()) => {
                self.counters.directories.fetch_add(1, Ordering::Relaxed);
                self.options.observer.on_entry(&folder.path);
            }
            Err(error) => self.counters.fail(&folder.path, &error),
        }
    }

    /// Sets owner, mode, attributes and time, in the order in which none undoes another.
    fn apply(&self, file: &File, entry: &DirectoryEntry) -> io::Result<()> {
        if self.options.owners {
            let (uid, gid) = owner(entry);
            self.permit(fchown(file, uid, gid))?;
        }
        self.permit(fchmod(file, Mode::from_raw_mode(entry.mode.0)))?;
        if let Some(attributes) = entry.xattrs.as_ref().filter(|_| self.options.xattrs) {
            let refused = xattrs::write(file, attributes);
            self.counters.ignored.fetch_add(refused.len() as u64, Ordering::Relaxed);
        }
        self.permit(futimens(file, &times(entry.modified)))
    }

    /// Passes over what we are not allowed to set, if so told.
    fn permit(&self, result: Result<(), Errno>) -> io::Result<()> {
        match result {
            Err(Errno::PERM | Errno::ACCESS | Errno::NOTSUP) if self.options.ignore_permission_errors => {
                self.counters.ignored.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            other => Ok(other?),
        }
    }
}

impl Receiver<Arc<Restoring>> for Target {
    /// What cannot be had or written fails its file only.
    fn receive(
        &self,
        wanted: &Wanted<Arc<Restoring>>,
        data: crate::Result<Cow<'_, [u8]>>,
    ) -> crate::Result<()> {
        match data {
            Ok(data) => self.piece_done(&wanted.file, self.write(wanted, &data)),
            Err(error) => {
                self.piece_failed(&wanted.file, &error);
                self.piece_done(&wanted.file, Ok(None));
            }
        }
        Ok(())
    }
}

fn owner(entry: &DirectoryEntry) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
}

fn times(modified: Timestamp) -> Timestamps {
    let nanoseconds = modified.as_nanosecond();
    let time = Timespec {
        tv_sec: nanoseconds.div_euclid(1_000_000_000) as i64,
        tv_nsec: nanoseconds.rem_euclid(1_000_000_000) as i64,
    };
    Timestamps { last_access: time, last_modification: time }
}

/// Writes `data` at `start`; with `sparse`, blocks of zeros are left out (the file must be new there).
pub(super) fn write_at(file: &File, start: u64, data: &[u8], sparse: bool) -> io::Result<()> {
    if !sparse {
        return file.write_all_at(data, start);
    }
    let mut at = start;
    for block in data.chunks(HOLE) {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, at)?;
        }
        at += block.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_resolving_stay_below_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs_err::create_dir_all(root.join("a/b")).unwrap();
        fs_err::write(folder.path().join("outside"), "").unwrap();
        std::os::unix::fs::symlink("..", root.join("a/up")).unwrap();
        let target = Target::open(&root, RestoreOptions::default()).unwrap();
        for (path, found) in [
            ("a/b", true),
            (".", true),
            ("a/up/a", false),
            ("a/up", false),
            ("../outside", false),
            ("x", false),
        ] {
            let flags = OFlags::RDONLY;
            assert_eq!(target.resolve(Path::new(path), flags, Mode::empty()).is_ok(), found, "{path}");
            assert_eq!(
                target.resolve_by_steps(Path::new(path), flags, Mode::empty()).is_ok(),
                found,
                "{path}"
            );
        }
    }
}

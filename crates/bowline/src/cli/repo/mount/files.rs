//! What the kernel asks of a file system, answered from a snapshot. Every question is a task of its own, so that a slow one
//! holds up no other.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyXattr, Request,
};
use kopia::browse::{Browser, Child, OpenFile};
use kopia::snapshot::{DirectoryEntry, EntryKind};
use tokio::runtime::Handle;

use super::nodes::{self, Nodes, ROOT};
use crate::failure::causes;
use crate::output::screen::Screen;

/// How long the kernel may keep what it was told: a snapshot never changes.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
/// The longest target of a link.
const MAX_LINK: usize = 1 << 16;
const BLOCK: u64 = 512;

/// The file system.
pub(super) struct Files {
    shared: Arc<Shared>,
    runtime: Handle,
}

struct Shared {
    browser: Arc<Browser>,
    nodes: Nodes,
    open: Mutex<HashMap<u64, Arc<OpenFile>>>,
    next: AtomicU64,
}

type Answer<T> = Result<T, Errno>;

impl Files {
    pub(super) fn new(browser: Arc<Browser>, root: DirectoryEntry, runtime: Handle) -> Self {
        let (open, next) = (Mutex::default(), AtomicU64::new(1));
        Self { shared: Arc::new(Shared { browser, nodes: Nodes::new(root), open, next }), runtime }
    }

    /// Finds the answer in a task, and tells it.
    fn answer<T, F>(&self, find: impl FnOnce(Arc<Shared>) -> F, tell: impl FnOnce(Answer<T>) + Send + 'static)
    where
        F: Future<Output = Answer<T>> + Send + 'static,
        T: Send + 'static,
    {
        let found = find(self.shared.clone());
        self.runtime.spawn(async move { tell(found.await) });
    }
}

impl Shared {
    fn entry(&self, node: INodeNo) -> Answer<Arc<DirectoryEntry>> {
        self.nodes.get(node.0).map(|(entry, _)| entry).ok_or(Errno::ENOENT)
    }

    async fn children(&self, node: INodeNo) -> Answer<Arc<Vec<Child>>> {
        let folder = self.entry(node)?;
        if folder.kind != EntryKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.browser.children(&folder).await.map_err(|error| damaged(&folder, &error))
    }

    async fn look_up(&self, parent: INodeNo, name: &OsStr) -> Answer<FileAttr> {
        let children = self.children(parent).await?;
        let index = children.binary_search_by(|child| child.name.as_os_str().cmp(name));
        let child = &children[index.map_err(|_| Errno::ENOENT)?];
        let (number, entry) = self.nodes.look_up(parent.0, child);
        Ok(attributes(number, &entry))
    }

    async fn open(&self, node: INodeNo) -> Answer<u64> {
        let entry = self.entry(node)?;
        let file = self.browser.open(&entry).await.map_err(|error| damaged(&entry, &error))?;
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        self.handles().insert(handle, Arc::new(file));
        Ok(handle)
    }

    async fn read(&self, node: INodeNo, handle: FileHandle, start: u64, length: u32) -> Answer<bytes::Bytes> {
        let file = self.handles().get(&handle.0).cloned().ok_or(Errno::EBADF)?;
        let read = self.browser.read(&file, start, length as usize).await;
        let entry = self.entry(node)?;
        read.map_err(|error| damaged(&entry, &error))
    }

    async fn read_link(&self, node: INodeNo) -> Answer<bytes::Bytes> {
        let entry = self.entry(node)?;
        if entry.kind != EntryKind::Symlink {
            return Err(Errno::EINVAL);
        }
        let target = async {
            let link = self.browser.open(&entry).await?;
            self.browser.read(&link, 0, MAX_LINK).await
        };
        target.await.map_err(|error| damaged(&entry, &error))
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<u64, Arc<OpenFile>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filesystem for Files {
    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        let find = |shared: Arc<Shared>| async move { shared.look_up(parent, &name).await };
        self.answer(find, |found| match found {
            Ok(attributes) => reply.entry(&FOREVER, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        });
    }

    fn forget(&self, _request: &Request, node: INodeNo, lookups: u64) {
        self.shared.nodes.forget(node.0, lookups);
    }

    fn getattr(&self, _request: &Request, node: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.shared.entry(node) {
            Ok(entry) => reply.attr(&FOREVER, &attributes(node.0, &entry)),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _request: &Request, node: INodeNo, reply: ReplyData) {
        let find = |shared: Arc<Shared>| async move { shared.read_link(node).await };
        self.answer(find, |found| match found {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(error),
        });
    }

    fn open(&self, _request: &Request, node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let find = |shared: Arc<Shared>| async move { shared.open(node).await };
        self.answer(find, |found| match found {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        });
    }

    #[expect(clippy::too_many_arguments, reason = "the trait has them")]
    fn read(
        &self,
        _request: &Request,
        node: INodeNo,
        handle: FileHandle,
        start: u64,
        length: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let find = |shared: Arc<Shared>| async move { shared.read(node, handle, start, length).await };
        self.answer(find, |found| match found {
            Ok(data) => reply.data(&data),
            Err(error) => reply.error(error),
        });
    }

    #[expect(clippy::too_many_arguments, reason = "the trait has them")]
    fn release(
        &self,
        _request: &Request,
        _node: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.shared.handles().remove(&handle.0);
        reply.ok();
    }

    fn readdir(
        &self,
        _request: &Request,
        node: INodeNo,
        _handle: FileHandle,
        start: u64,
        mut reply: ReplyDirectory,
    ) {
        let parent = self.shared.nodes.get(node.0).map_or(ROOT, |(_, parent)| parent);
        let find = |shared: Arc<Shared>| async move { shared.children(node).await };
        self.answer(find, move |found| match found {
            Ok(children) => {
                let around = [(node.0, "."), (parent, "..")];
                let around = around.map(|(number, name)| (number, FileType::Directory, OsStr::new(name)));
                let below = children.iter().map(|child| {
                    let number = nodes::number(node.0, &child.name);
                    (number, file_type(child.entry.kind), child.name.as_os_str())
                });
                let all = around.into_iter().chain(below).zip(1..).skip(start as usize);
                for ((number, kind, name), next) in all {
                    if reply.add(INodeNo(number), next, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        });
    }

    fn listxattr(&self, _request: &Request, node: INodeNo, size: u32, reply: ReplyXattr) {
        let names = self.shared.entry(node).map(|entry| {
            let names = entry.xattrs.iter().flat_map(|xattrs| xattrs.keys());
            names.flat_map(|name| name.bytes().chain([0])).collect()
        });
        tell_xattr(names, size, reply);
    }

    fn getxattr(&self, _request: &Request, node: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let value = self.shared.entry(node).and_then(|entry| {
            let known = entry.xattrs.as_ref().and_then(|xattrs| xattrs.get(name.to_str()?));
            known.and_then(|value| hex::decode(value).ok()).ok_or(Errno::NO_XATTR)
        });
        tell_xattr(value, size, reply);
    }
}

fn tell_xattr(found: Answer<Vec<u8>>, size: u32, reply: ReplyXattr) {
    match found {
        Ok(bytes) if size == 0 => reply.size(bytes.len() as u32),
        Ok(bytes) if bytes.len() <= size as usize => reply.data(&bytes),
        Ok(_) => reply.error(Errno::ERANGE),
        Err(error) => reply.error(error),
    }
}

/// The kernel gets a number, whoever mounted it the reason.
fn damaged(entry: &DirectoryEntry, error: &kopia::Error) -> Errno {
    Screen::default().note(format!("failed to read {:?}: {}", entry.name, causes(error)));
    Errno::EIO
}

fn file_type(kind: EntryKind) -> FileType {
    match kind {
        EntryKind::Directory => FileType::Directory,
        EntryKind::Symlink => FileType::Symlink,
        _ => FileType::RegularFile,
    }
}

fn attributes(number: u64, entry: &DirectoryEntry) -> FileAttr {
    let modified = SystemTime::from(entry.modified);
    FileAttr {
        ino: INodeNo(number),
        size: entry.size,
        blocks: entry.size.div_ceil(BLOCK),
        atime: modified,
        mtime: modified,
        ctime: modified,
        crtime: modified,
        kind: file_type(entry.kind),
        perm: entry.mode.0 as u16 & 0o7777,
        // One link of a folder: how many folders are in it is not told.
        nlink: 1,
        uid: entry.uid,
        gid: entry.gid,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

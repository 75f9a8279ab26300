//! What is uploaded: a tree behind a trait, so that it need not lie on a disk.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::snapshot::{DirectoryEntry, EntryKind, FileMode, Xattrs};

/// A tree of files.
///
/// Called from many threads. Errors of the kind `NotFound` mean that an entry vanished since it was listed; any other error
/// is that of the one entry, which is then counted and named. Kinds are those of the entries themselves: links are never
/// followed.
pub trait Source: Debug + Send + Sync {
    /// The base name of the root, which becomes the name of the snapshot's root.
    fn name(&self) -> OsString;

    /// What the root is.
    ///
    /// # Errors
    /// These end the upload.
    fn root(&self) -> io::Result<SourceRoot>;

    /// Opens the folder at a path below the root; the empty path is the root itself.
    ///
    /// # Errors
    /// The folder is stored empty then.
    fn folder(&self, path: &Path) -> io::Result<Arc<dyn SourceFolder>>;

    /// The attributes of an entry at a path, for folders that cannot be opened.
    ///
    /// # Errors
    /// The entry is left out then.
    fn attributes(&self, path: &Path) -> io::Result<Attributes>;
}

/// What is at the top of a source.
#[derive(Debug)]
pub enum SourceRoot {
    /// A folder.
    Folder,
    /// One file, and the folder that it is in.
    File {
        /// The folder.
        folder: Arc<dyn SourceFolder>,
        /// The file in it.
        child: Child,
    },
}

/// An open folder of a source.
pub trait SourceFolder: Debug + Send + Sync {
    /// Those of the folder itself.
    ///
    /// # Errors
    /// See [`Source`].
    fn attributes(&self) -> io::Result<Attributes>;

    /// The extended attributes of the folder itself; unreadable ones count as absent.
    fn xattrs(&self) -> Xattrs {
        None
    }

    /// Hands over all that is in it, in any order. There may be more than fits into memory.
    ///
    /// # Errors
    /// Those of `take`, which end the listing, or its own. The folder is stored empty then.
    fn children(&self, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()>;

    /// The attributes of a child.
    ///
    /// # Errors
    /// See [`Source`].
    fn child(&self, name: &OsStr) -> io::Result<Attributes>;

    /// The extended attributes of a child; unreadable ones count as absent.
    fn child_xattrs(&self, _name: &OsStr) -> Xattrs {
        None
    }

    /// Opens a child that was a file just now. If it is something else by now, that must not block.
    ///
    /// # Errors
    /// See [`Source`].
    fn open(&self, name: &OsStr) -> io::Result<Box<dyn SourceFile + '_>>;

    /// The target of a link.
    ///
    /// # Errors
    /// See [`Source`].
    fn read_link(&self, name: &OsStr) -> io::Result<Vec<u8>>;
}

/// An open file of a source.
pub trait SourceFile: Read {
    /// As of now.
    ///
    /// # Errors
    /// See [`Source`].
    fn attributes(&self) -> io::Result<Attributes>;

    /// Unreadable ones count as absent.
    fn xattrs(&self) -> Xattrs {
        None
    }
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Child {
    /// One component of a path.
    pub name: OsString,
    /// What it is, where the listing tells.
    pub kind: Option<SourceKind>,
}

/// What an entry of a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a socket or a pipe, which is left out.
    Special,
}

/// What is known of an entry without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: SourceKind,
    /// Bytes, of files.
    pub size: u64,
    /// Permissions.
    pub mode: FileMode,
    /// Time of the last change.
    pub modified: Timestamp,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Attributes {
    /// The entry of something with these attributes, without its object.
    pub(super) fn entry(&self, name: &OsStr, kind: EntryKind) -> DirectoryEntry {
        DirectoryEntry {
            mode: self.mode,
            size: if kind == EntryKind::Directory { 0 } else { self.size },
            modified: self.modified,
            uid: self.uid,
            gid: self.gid,
            ..DirectoryEntry::new(name, kind)
        }
    }
}

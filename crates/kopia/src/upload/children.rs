//! What is in a folder, until it is worked off: files first, then the folders in it, each by name.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use super::files::FileBatch;
use super::jobs::Job;
use super::source::{Child, SourceFolder, SourceKind};
use super::tree::Node;
use crate::records::{Allowance, Position, Records};
use crate::{Error, Result};

/// Files that one job stores.
const FILES_PER_JOB: usize = 512;
/// The first byte of a record tells the kind, by the place in this list.
const KINDS: [Option<SourceKind>; 5] = [
    None,
    Some(SourceKind::File),
    Some(SourceKind::Link),
    Some(SourceKind::Special),
    Some(SourceKind::Folder),
];

/// The children of a folder that nobody has begun with.
pub(super) struct Children {
    node: Arc<Node>,
    /// Open until the last file was taken.
    folder: Option<Arc<dyn SourceFolder>>,
    names: Records,
    position: Position,
    /// Taken from the list, and not part of a job yet.
    next: Option<Child>,
}

impl Children {
    /// Lists a folder. The inner error is that of the folder alone.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file that long listings go to.
    pub(super) fn list(
        node: &Arc<Node>,
        folder: Arc<dyn SourceFolder>,
        allowance: &Arc<Allowance>,
    ) -> Result<io::Result<Self>> {
        let mut names = Records::new(Ord::cmp, allowance);
        let mut failed: Option<Error> = None;
        let listed = folder.children(&mut |child| {
            let looked = || folder.child(&child.name).ok().map(|attributes| attributes.kind);
            let kind = child.kind.or_else(looked);
            let rank = KINDS.iter().position(|known| *known == kind).unwrap_or_default();
            let write = |out: &mut Vec<u8>| {
                out.push(rank as u8);
                out.extend_from_slice(child.name.as_bytes());
            };
            names.push(write).map_err(|error| {
                failed = Some(error);
                io::Error::other("the listing could not be kept")
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if let Err(error) = listed {
            return Ok(Err(error));
        }
        names.sort()?;
        let mut children = Self {
            node: node.clone(),
            folder: Some(folder),
            names,
            position: Position::default(),
            next: None,
        };
        children.advance()?;
        Ok(Ok(children))
    }

    /// The folder that they are in.
    pub(super) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether all have been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.next.is_none()
    }

    /// Whether files are next.
    pub(super) fn are_files(&self) -> bool {
        self.next.as_ref().is_some_and(|child| child.kind != Some(SourceKind::Folder))
    }

    fn advance(&mut self) -> Result<()> {
        let record = self.names.next(&mut self.position)?;
        self.next = record.and_then(|record| record.split_first()).map(|(rank, name)| Child {
            name: OsString::from_vec(name.to_vec()),
            kind: KINDS.get(usize::from(*rank)).copied().flatten(),
        });
        Ok(())
    }

    /// The next job, for which their folder then waits.
    ///
    /// # Errors
    /// [`Error::File`] of the temporary file.
    pub(super) fn next(&mut self) -> Result<Option<Job>> {
        if !self.are_files() {
            self.folder = None;
            let Some(child) = self.next.take() else { return Ok(None) };
            self.advance()?;
            self.node.wait_for_one();
            return Ok(Some(Job::Directory { parent: self.node.clone(), name: child.name }));
        }
        let mut files = Vec::new();
        while self.are_files() && files.len() < FILES_PER_JOB {
            files.extend(self.next.take());
            self.advance()?;
        }
        let folder = self.folder.clone().ok_or(Error::Worker)?;
        self.node.wait_for_one();
        Ok(Some(Job::Files(FileBatch::new(self.node.clone(), folder, files))))
    }
}

//! The walk over everything that snapshots reach.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::content::ContentStore;
use crate::content_id::ContentId;
use crate::manifest::Manifests;
use crate::object::{IndirectStream, ObjectId, ObjectReader};
use crate::records::Allowance;
use crate::snapshot::{self, DirectoryEntry, EntryKind, LISTING_MEMORY, Listing, PackedEntries};
use crate::{Error, Result};

/// Directories and lists read at the same time.
const PARALLEL: usize = 16;

/// Contents that are in use, by eight bytes of their hash: two that are taken for one only keep more than is needed.
#[derive(Debug, Default)]
pub(crate) struct Reachable {
    used: HashSet<u64, BuildHasherDefault<Taken>>,
}

/// The keys are parts of hashes already.
#[derive(Debug, Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |value, byte| value.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Reachable {
    /// Whether a content is, or might be, in use.
    pub(crate) fn contains(&self, id: &ContentId) -> bool {
        self.used.contains(&fingerprint(id))
    }

    fn add(&mut self, id: &ContentId) {
        self.used.insert(fingerprint(id));
    }

    /// Walks all snapshots, incomplete ones too.
    ///
    /// # Errors
    /// Any directory or list that cannot be read: then nothing may be deleted.
    pub(crate) async fn find(contents: &Arc<ContentStore>, manifests: &Manifests) -> Result<Self> {
        let mut reachable = Self::default();
        let visit = &mut |_: &str, content: &ContentId| {
            reachable.add(content);
            Ok(())
        };
        let mut visitor = Visitor::new(contents, visit);
        for snapshot in snapshot::list(manifests, None)? {
            if let Some(root) = &snapshot.root_entry {
                visitor.walk(&snapshot.id, root).await?;
            }
        }
        Ok(reachable)
    }
}

fn fingerprint(id: &ContentId) -> u64 {
    let mut bytes = [0; 8];
    for (byte, digest) in bytes.iter_mut().zip(id.digest()) {
        *byte = *digest;
    }
    let prefix = id.prefix().map_or(0, |prefix| u64::from(prefix.letter()));
    u64::from_le_bytes(bytes) ^ prefix << 56
}

type Visit<'a> = dyn FnMut(&str, &ContentId) -> Result<()> + Send + 'a;

/// Walks trees and tells of every content in them; what several trees share is walked once.
pub(crate) struct Visitor<'a> {
    contents: &'a Arc<ContentStore>,
    /// Directories and indirect objects seen, exactly.
    seen: HashSet<ObjectId>,
    visit: &'a mut Visit<'a>,
}

/// What a directory or list leads to.
enum Found {
    Entries(String, PackedEntries),
    Pieces(String, Vec<ObjectId>),
}

impl<'a> Visitor<'a> {
    pub(crate) fn new(contents: &'a Arc<ContentStore>, visit: &'a mut Visit<'a>) -> Self {
        Self { contents, seen: HashSet::new(), visit }
    }

    /// Walks the tree below `root`; `name` is the head of the paths that are told.
    pub(crate) async fn walk(&mut self, name: &str, root: &DirectoryEntry) -> Result<()> {
        let mut waiting = Vec::new();
        self.entry(name.to_owned(), root, &mut waiting)?;
        while !waiting.is_empty() {
            let batch = waiting.split_off(waiting.len().saturating_sub(PARALLEL * 4));
            let (contents, listings) = (self.contents, &Allowance::new(LISTING_MEMORY));
            let open = |work| open(contents, work, listings);
            let mut reading = stream::iter(batch).map(open).buffer_unordered(PARALLEL).boxed();
            while let Some(found) = reading.try_next().await? {
                match found {
                    Found::Entries(path, entries) => {
                        for entry in entries.iter() {
                            let entry = entry?;
                            self.entry(format!("{path}/{}", entry.name), &entry, &mut waiting)?;
                        }
                    }
                    Found::Pieces(path, pieces) => {
                        for piece in pieces {
                            self.object(path.clone(), piece, false, &mut waiting)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: String, entry: &DirectoryEntry, waiting: &mut Vec<Work>) -> Result<()> {
        match entry.object {
            Some(object) => self.object(path, object, entry.kind == EntryKind::Directory, waiting),
            None => Err(Error::damaged(format!("entry {path:?}"), "it has no object")),
        }
    }

    fn object(
        &mut self,
        path: String,
        object: ObjectId,
        directory: bool,
        waiting: &mut Vec<Work>,
    ) -> Result<()> {
        (self.visit)(&path, &object.content())?;
        if (directory || object.list().is_some()) && self.seen.insert(object) {
            if directory {
                waiting.push(Work { path: path.clone(), object, directory: true });
            }
            if object.list().is_some() {
                waiting.push(Work { path, object, directory: false });
            }
        }
        Ok(())
    }
}

struct Work {
    path: String,
    object: ObjectId,
    directory: bool,
}

async fn open(contents: &Arc<ContentStore>, work: Work, listings: &Arc<Allowance>) -> Result<Found> {
    if work.directory {
        let listing = Listing::read(contents, work.object, listings).await?;
        return Ok(Found::Entries(work.path, listing.entries));
    }
    // The list itself may be a list; its pieces are in use as well.
    let Some(list) = work.object.list() else { return Ok(Found::Pieces(work.path, Vec::new())) };
    let reader = ObjectReader::open(contents, list).await?;
    let mut pieces: Vec<ObjectId> = list.list().map(|_| list).into_iter().collect();
    pieces.extend(IndirectStream::objects(work.object, &reader.read_list().await?)?);
    Ok(Found::Pieces(work.path, pieces))
}

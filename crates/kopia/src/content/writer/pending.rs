//! What a session holds that no index names yet.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::marker::Session;
use crate::content_id::ContentId;
use crate::index::IndexEntry;
use crate::pack::PackBuilder;

/// An index entry, found by its content. The pack that it is in has it too.
#[derive(Debug)]
pub(super) struct Pending(pub(super) Arc<IndexEntry>);

impl Borrow<ContentId> for Pending {
    fn borrow(&self) -> &ContentId {
        &self.0.id
    }
}

impl Hash for Pending {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Pending {}

/// A pack that is being filled, and the right to hold its bytes in memory.
#[derive(Debug)]
pub(super) struct OpenPack {
    pub(super) builder: PackBuilder,
    pub(super) permit: OwnedSemaphorePermit,
}

/// The session's packs and entries.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) session: Option<Arc<Session>>,
    /// By kind.
    pub(super) open: [Option<OpenPack>; 2],
    pub(super) pending: HashSet<Pending>,
    /// When the first pending entry was added.
    pub(super) oldest: Option<Timestamp>,
}

impl State {
    pub(super) fn add(&mut self, entry: Arc<IndexEntry>, now: Timestamp) {
        self.oldest.get_or_insert(now);
        self.pending.replace(Pending(entry));
    }
}

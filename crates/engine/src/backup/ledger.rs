//! What a run has found and stored: the side results besides the archive.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bowline_api::artifact::{BackupOperation, ResourceList};
use bowline_api::resource::{GroupVersionKind, ObjectKey};

use crate::catalog::GroupResource;
use crate::object::Object;
use crate::volume::ledger::VolumeLedger;

/// Side results, written to by many lists at once.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    found: AtomicU64,
    stored: AtomicU64,
    kept: Mutex<Kept>,
}

/// What is kept of what was stored.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) resource_list: ResourceList,
    pub(super) resources: BTreeSet<GroupResource>,
    pub(super) namespaces: BTreeSet<String>,
    pub(super) volumes: VolumeLedger,
    pub(super) operations: Vec<BackupOperation>,
    warned: BTreeSet<String>,
}

impl Ledger {
    /// An object is going to be stored.
    pub(super) fn found(&self) {
        self.found.fetch_add(1, Relaxed);
    }

    /// An object is in the archive.
    pub(super) fn stored(&self, object: &Object, resource: &GroupResource) {
        self.stored.fetch_add(1, Relaxed);
        let head = object.head();
        let kind = GroupVersionKind::from_api_version(&head.api_version, head.kind.as_str());
        let key = ObjectKey { namespace: head.namespace.clone(), name: head.name.clone() };
        let mut kept = self.lock();
        kept.resource_list.add(&kind, &key);
        if !kept.resources.contains(resource) {
            kept.resources.insert(resource.clone());
        }
    }

    /// An object of this namespace was selected.
    pub(super) fn namespace_used(&self, namespace: &str) {
        let mut kept = self.lock();
        if !kept.namespaces.contains(namespace) {
            kept.namespaces.insert(namespace.to_owned());
        }
    }

    /// Whether a warning that is reported once a run is new.
    pub(super) fn is_new_warning(&self, text: &str) -> bool {
        self.lock().warned.insert(text.to_owned())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `(found, stored)` and the rest.
    pub(super) fn into_parts(self) -> ((u64, u64), Kept) {
        let counts = (self.found.into_inner(), self.stored.into_inner());
        (counts, self.kept.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

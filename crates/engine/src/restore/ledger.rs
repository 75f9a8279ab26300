//! What has become of each object: claimed once, waited for by those that need it, and listed in the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bowline_api::artifact::{ItemResult, ResourceList};
use bowline_api::resource::{GroupVersionKind, ObjectKey};
use tokio::sync::Notify;

use super::plan::{PlannedItem, Step};
use crate::archive::spool::EntryId;
use crate::diff::FieldChange;
use crate::port::ObjectRef;

const UNTOUCHED: u8 = 0;
const CLAIMED: u8 = 1;
const ABSENT: u8 = 2;
const PRESENT: u8 = 3;

/// The ledger of one run.
pub(super) struct Ledger {
    states: Vec<AtomicU8>,
    ended: Notify,
    /// Which claimed entry waits for which other one.
    waits: Mutex<BTreeMap<EntryId, EntryId>>,
    list: Mutex<ResourceList>,
    /// Filled in dry runs.
    plan: Option<Mutex<Vec<PlannedItem>>>,
}

impl Ledger {
    /// A ledger for `entries` entries, which keeps a plan when `planning`.
    pub(super) fn new(entries: usize, planning: bool) -> Self {
        Self {
            states: std::iter::repeat_with(|| AtomicU8::new(UNTOUCHED)).take(entries).collect(),
            ended: Notify::new(),
            waits: Mutex::default(),
            list: Mutex::default(),
            plan: planning.then(Mutex::default),
        }
    }

    /// Takes an entry; `false` when somebody else has it.
    pub(super) fn claim(&self, entry: EntryId) -> bool {
        self.state(entry).compare_exchange(UNTOUCHED, CLAIMED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether an entry has been claimed.
    pub(super) fn is_claimed(&self, entry: EntryId) -> bool {
        self.state(entry).load(Ordering::Acquire) != UNTOUCHED
    }

    /// Says that an entry is done with, and whether the object is in the cluster now.
    pub(super) fn end(&self, entry: EntryId, present: bool) {
        self.state(entry).store(if present { PRESENT } else { ABSENT }, Ordering::Release);
        self.ended.notify_waiters();
    }

    /// Waits until a claimed entry is done with; returns whether it is in the cluster. Where the other one waits for `waiting` in turn,
    /// which only actions that name each other's objects can bring about, it does not wait.
    pub(super) async fn wait(&self, waiting: EntryId, other: EntryId) -> bool {
        if !self.begin_wait(waiting, other) {
            return false;
        }
        let present = loop {
            let ended = self.ended.notified();
            match self.state(other).load(Ordering::Acquire) {
                PRESENT => break true,
                ABSENT | UNTOUCHED => break false,
                _ => ended.await,
            }
        };
        self.end_wait(waiting);
        present
    }

    /// Notes that `waiting` can't end before `other`; `false` when that would be a circle.
    pub(super) fn begin_wait(&self, waiting: EntryId, other: EntryId) -> bool {
        let mut waits = lock(&self.waits);
        let mut at = Some(other);
        while let Some(entry) = at {
            if entry == waiting {
                return false;
            }
            at = waits.get(&entry).copied();
        }
        waits.insert(waiting, other);
        true
    }

    /// Ends what [`Ledger::begin_wait`] began.
    pub(super) fn end_wait(&self, waiting: EntryId) {
        lock(&self.waits).remove(&waiting);
    }

    /// Records what happened to an object, under its kind and name in the target cluster.
    pub(super) fn record(
        &self,
        kind: &GroupVersionKind,
        key: &ObjectKey,
        step: Step,
        changes: Vec<FieldChange>,
    ) {
        if let Some(result) = result(&step) {
            lock(&self.list).add_result(kind, key, &result);
        }
        if let Some(plan) = &self.plan {
            lock(plan).push(PlannedItem { kind: kind.clone(), key: key.clone(), step, changes });
        }
    }

    /// Whether the plan has an object that will be created.
    pub(super) fn plans(&self, object: &ObjectRef) -> bool {
        let is_it = |item: &PlannedItem| {
            item.step == Step::Create
                && item.kind.kind == object.kind.kind
                && (&item.key.namespace, &item.key.name) == (&object.namespace, &object.name)
        };
        self.plan.as_ref().is_some_and(|plan| lock(plan).iter().any(is_it))
    }

    /// Takes the list and the plan out at the end.
    pub(super) fn take(&self) -> (ResourceList, Vec<PlannedItem>) {
        let plan = self.plan.as_ref().map(|plan| std::mem::take(&mut *lock(plan))).unwrap_or_default();
        (std::mem::take(&mut *lock(&self.list)), plan)
    }

    fn state(&self, entry: EntryId) -> &AtomicU8 {
        &self.states[entry.position()]
    }
}

fn result(step: &Step) -> Option<ItemResult> {
    match step {
        Step::Create => Some(ItemResult::Created),
        Step::Update => Some(ItemResult::Updated),
        Step::Fail(_) => Some(ItemResult::Failed),
        Step::Skip(reason) => reason.result(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

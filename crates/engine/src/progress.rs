//! How far a run is: two counters that many tasks raise and one observer reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one run. The total grows while lists are still being read.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// More items have been found.
    pub fn found(&self, items: u64) {
        self.total.fetch_add(items, Relaxed);
    }

    /// Items have been stored, restored, or skipped for good.
    pub fn finished(&self, items: u64) {
        self.done.fetch_add(items, Relaxed);
    }

    /// `(total, done)`; done is never above total.
    pub fn snapshot(&self) -> (u64, u64) {
        let done = self.done.load(Relaxed);
        (self.total.load(Relaxed).max(done), done)
    }
}

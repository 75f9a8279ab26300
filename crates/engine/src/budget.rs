//! The byte budget that all pages and objects in flight share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that may be in flight at once. Cloning shares the budget.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    kib: u32,
}

/// A share of a budget, given back on drop.
#[derive(Debug)]
pub struct Share(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Budget {
    /// A budget of `bytes`, counted in KiB, at least 1 MiB.
    pub fn new(bytes: usize) -> Self {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1024);
        Self { free: Arc::new(Semaphore::new(kib as usize)), kib }
    }

    /// The whole budget in bytes.
    pub fn bytes(&self) -> usize {
        self.kib as usize * 1024
    }

    /// Waits until `bytes` are free. What is larger than the whole budget gets the whole budget, alone.
    pub async fn take(&self, bytes: usize) -> Share {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.kib);
        let permit = Arc::clone(&self.free).acquire_many_owned(kib).await;
        Share(permit.expect("the semaphore is never closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_item_above_the_budget_gets_it_alone() {
        let budget = Budget::new(1 << 20);
        let all = budget.take(usize::MAX).await;
        assert_eq!(budget.free.available_permits(), 0);
        drop(all);
        assert_eq!(budget.free.available_permits(), 1024);
    }
}

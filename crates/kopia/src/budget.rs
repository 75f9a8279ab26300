//! A bound on the bytes that tasks hold together.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Error, Result};

/// The bytes that may be in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    permits: Semaphore,
    total: u32,
}

impl Budget {
    /// Bytes of one permit.
    const UNIT: usize = 4096;

    pub(crate) fn new(bytes: usize) -> Self {
        let total = u32::try_from(bytes / Self::UNIT).unwrap_or(u32::MAX).max(1);
        Self { permits: Semaphore::new(total as usize), total }
    }

    /// Waits until `bytes` more may be in memory. What exceeds the budget by itself takes all of it.
    pub(crate) async fn take(&self, bytes: u64) -> Result<SemaphorePermit<'_>> {
        let wanted = u32::try_from(bytes / Self::UNIT as u64 + 1).unwrap_or(u32::MAX).min(self.total);
        self.permits.acquire_many(wanted).await.map_err(|_| Error::Worker)
    }
}

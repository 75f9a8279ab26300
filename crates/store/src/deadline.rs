//! Deadlines: no call waits for ever on a store that hangs.

use std::future::Future;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Runs `work`, or fails with `Timeout` when it takes longer than `limit`.
pub(crate) async fn within<T>(
    limit: Duration,
    action: impl FnOnce() -> String,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let detail = format!("nothing came within {} s", limit.as_secs());
        Err(Error::new(ErrorKind::Timeout, action()).with_detail(detail))
    })
}

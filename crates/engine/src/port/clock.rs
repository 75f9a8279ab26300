//! Time as a port, so that tests can freeze it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// The time of day and the passing of time.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;

    /// Returns after `duration`. Dropping the future cancels the sleep.
    async fn sleep(&self, duration: Duration);
}

//! The clock of the machine.

use std::time::Duration;

use async_trait::async_trait;
use bowline_engine::port::Clock;
use jiff::Timestamp;

/// Time as the machine sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

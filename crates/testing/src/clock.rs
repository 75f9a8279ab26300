//! A clock that stands still until somebody sleeps.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bowline_engine::port::Clock;
use jiff::Timestamp;

/// A clock whose sleeps return at once and move the time on.
#[derive(Debug)]
pub struct FrozenClock(Mutex<Timestamp>);

impl Default for FrozenClock {
    fn default() -> Self {
        Self::at("2026-01-02T03:04:05Z".parse().expect("a valid time"))
    }
}

impl FrozenClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the time on.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().expect("no test panics while it holds the clock");
        *now += jiff::SignedDuration::try_from(duration)
            .expect("a duration of less than the age of the universe");
    }
}

#[async_trait]
impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no test panics while it holds the clock")
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        tokio::task::yield_now().await;
    }
}

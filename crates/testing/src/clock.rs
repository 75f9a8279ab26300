//! Clocks that no machine drives: one stands still until somebody sleeps, one goes with tokio's time, which tests can pause.

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

/// A clock that goes as tokio's time goes: in a paused runtime hours pass in a moment. Make it inside the runtime.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: Timestamp,
    started: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `now`, now.
    pub fn at(now: Timestamp) -> Self {
        Self { origin: now, started: tokio::time::Instant::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::at(FrozenClock::default().now())
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = jiff::SignedDuration::try_from(self.started.elapsed());
        self.origin + elapsed.expect("a duration of less than the age of the universe")
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

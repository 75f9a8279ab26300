//! Where the time comes from: the system, or a test that moves it by hand.

use std::fmt::Debug;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

/// A source of the current time.
pub trait Clock: Debug + Send + Sync {
    /// The time now. It may step backwards, as system clocks do.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct FrozenClock {
    now: Mutex<Timestamp>,
}

impl FrozenClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// Moves the clock forward (or, by a negative duration, back).
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.now.lock().expect("no holder of the clock can fail");
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().expect("no holder of the clock can fail")
    }
}

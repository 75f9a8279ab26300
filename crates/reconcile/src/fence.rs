//! The right to change things. It can end at any moment, and ends by itself when nobody prolongs it.
//!
//! Everything that changes the cluster or a store passes the fence of its process. A process that was held up (a full machine, a lost
//! network, a debugger) finds it closed when it goes on, because the end of the right is a point in time of its own monotonic clock.

mod client;

use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

pub use client::fenced_client;

/// Nothing may be changed by this process now.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("this server is not the leader, so it must not change anything")]
pub struct Fenced;

/// Says whether this process may change things. Clones are the same fence.
#[derive(Clone, Debug)]
pub struct Fence(watch::Sender<Right>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Always,
    Until(Instant),
    Never,
}

impl Fence {
    /// Always open: there is no other process.
    pub fn open() -> Self {
        Self(watch::Sender::new(Right::Always))
    }

    /// Closed until [`Fence::extend`].
    pub fn closed() -> Self {
        Self(watch::Sender::new(Right::Never))
    }

    /// Opens it, or keeps it open, until this time.
    pub fn extend(&self, end: Instant) {
        self.0.send_replace(Right::Until(end));
    }

    /// Closes it at once.
    pub fn close(&self) {
        self.0.send_replace(Right::Never);
    }

    /// Whether something may be changed now.
    pub fn check(&self) -> Result<(), Fenced> {
        match *self.0.borrow() {
            Right::Always => Ok(()),
            Right::Until(end) if Instant::now() < end => Ok(()),
            Right::Until(_) | Right::Never => Err(Fenced),
        }
    }

    /// Returns when the right has ended.
    pub async fn ended(&self) {
        let mut right = self.0.subscribe();
        while self.check().is_ok() {
            let wait = match *right.borrow_and_update() {
                Right::Until(end) => end.saturating_duration_since(Instant::now()),
                // Longer than any process lives.
                Right::Always | Right::Never => Duration::from_hours(24 * 365),
            };
            // The sender lives as long as `self`, so this is a change or the end of the wait.
            let _ = tokio::time::timeout(wait, right.changed()).await;
        }
    }

    /// Does something that changes things. It is not begun without the right, and given up where it stands when the right ends.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, Fenced> {
        self.check()?;
        tokio::select! {
            biased;
            () = self.ended() => Err(Fenced),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_right_ends_by_itself_unless_it_is_prolonged() {
        let fence = Fence::closed();
        assert_eq!(fence.check(), Err(Fenced));
        fence.extend(Instant::now() + Duration::from_secs(10));
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(fence.check(), Ok(()));
        fence.extend(Instant::now() + Duration::from_secs(10));
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(fence.check(), Ok(()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(fence.check(), Err(Fenced));
    }

    #[tokio::test(start_paused = true)]
    async fn work_under_way_is_given_up_when_the_right_ends() {
        let fence = Fence::closed();
        fence.extend(Instant::now() + Duration::from_secs(10));
        let start = Instant::now();
        let slow = fence.guard(tokio::time::sleep(Duration::from_mins(1)));
        assert_eq!((slow.await, start.elapsed()), (Err(Fenced), Duration::from_secs(10)));
        assert_eq!(fence.guard(async { 1 }).await, Err(Fenced));
        assert_eq!(Fence::open().guard(async { 1 }).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_the_right_at_once() {
        let fence = Fence::open();
        let other = fence.clone();
        let closer = async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            other.close();
        };
        let (ended, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(2), fence.ended()), closer);
        assert!(ended.is_ok());
    }
}

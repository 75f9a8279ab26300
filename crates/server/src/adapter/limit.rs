//! `--client-qps` and `--client-burst`: a steady pace of requests with room for bursts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets `per_second` requests pass on average, `burst` of them at once.
#[derive(Debug)]
pub(super) struct RateLimit {
    interval: Duration,
    slack: Duration,
    next: Mutex<Instant>,
}

impl RateLimit {
    /// `None` where the rate is no positive number: then there is no limit.
    pub(super) fn new(per_second: f32, burst: u32) -> Option<Self> {
        let interval = Duration::try_from_secs_f32(1.0 / per_second).ok().filter(|_| per_second > 0.0)?;
        let slack = interval.saturating_mul(burst.saturating_sub(1));
        Some(Self { interval, slack, next: Mutex::new(Instant::now()) })
    }

    /// Returns when the next request may go out.
    pub(super) async fn pass(&self) {
        tokio::time::sleep_until(self.reserve(Instant::now())).await;
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = (*next).max(now.checked_sub(self.slack).unwrap_or(now));
        *next = slot + self.interval;
        slot.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let limit = RateLimit::new(10.0, 3).unwrap();
        let start = Instant::now() + Duration::from_mins(1);
        let waits: Vec<_> = (0..5).map(|_| (limit.reserve(start) - start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200]);
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert!(RateLimit::new(0.0, 5).is_none() && RateLimit::new(-1.0, 5).is_none());
    }
}

//! How many requests are in flight: few at first, more while the server is quick, half as many when it asks to slow down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Requests in flight at the start.
const START: usize = 8;
/// A server that answers later than this is loaded enough.
const QUICK: Duration = Duration::from_millis(250);

/// The pace of all requests of a run. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    ceiling: usize,
    /// Slots to take out of use as they come back.
    surplus: usize,
    /// Quick answers since the limit last grew.
    quick: usize,
    /// Doubling per round trip until the server first asks to slow down; then one more per round trip.
    starting: bool,
    /// Counts the cuts, so that the answers to requests from before a cut don't cause another.
    cuts: u64,
}

/// The right to have one request in flight.
#[derive(Debug)]
pub(super) struct Slot {
    pace: Pace,
    permit: Option<OwnedSemaphorePermit>,
    entered: Instant,
    cuts: u64,
}

impl Pace {
    /// A pace of at most `ceiling` requests in flight.
    pub(super) fn new(ceiling: usize) -> Self {
        let ceiling = ceiling.max(1);
        let limit = START.min(ceiling);
        let state = State { limit, ceiling, surplus: 0, quick: 0, starting: true, cuts: 0 };
        Self(Arc::new(Inner { slots: Arc::new(Semaphore::new(limit)), state: Mutex::new(state) }))
    }

    /// Waits for a slot.
    pub(super) async fn enter(&self) -> Slot {
        let permit = Arc::clone(&self.0.slots).acquire_owned().await.expect("the semaphore is never closed");
        let cuts = self.state().cuts;
        Slot { pace: self.clone(), permit: Some(permit), entered: Instant::now(), cuts }
    }

    /// Requests that may be in flight now.
    #[cfg(test)]
    fn limit(&self) -> usize {
        self.state().limit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The server answered and did not complain.
    pub(super) fn answered(self) {
        let mut state = self.pace.state();
        if self.entered.elapsed() > QUICK || state.limit >= state.ceiling {
            return;
        }
        state.quick += 1;
        if state.quick >= if state.starting { 1 } else { state.limit } {
            state.quick = 0;
            state.limit += 1;
            if state.surplus > 0 {
                state.surplus -= 1;
            } else {
                self.pace.0.slots.add_permits(1);
            }
        }
    }

    /// The server asked to slow down, or did not answer in time.
    pub(super) fn throttled(&self) {
        let mut state = self.pace.state();
        if state.cuts != self.cuts {
            return;
        }
        let limit = (state.limit / 2).max(1);
        state.surplus += state.limit - limit;
        state.limit = limit;
        state.quick = 0;
        state.starting = false;
        state.cuts += 1;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.pace.state();
        if state.surplus > 0 {
            state.surplus -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn quick_answers_raise_the_pace_to_the_ceiling() {
        let pace = Pace::new(20);
        for _ in 0..50 {
            pace.enter().await.answered();
        }
        assert_eq!((pace.limit(), pace.0.slots.available_permits()), (20, 20));
    }

    #[tokio::test]
    async fn a_round_of_complaints_halves_the_pace_once() {
        let pace = Pace::new(8);
        let slots = [pace.enter().await, pace.enter().await];
        slots.iter().for_each(Slot::throttled);
        assert_eq!(pace.limit(), 4);
        drop(slots);
        for _ in 0..6 {
            drop(pace.enter().await);
        }
        assert_eq!(pace.0.slots.available_permits(), 4);
        pace.enter().await.throttled();
        assert_eq!(pace.limit(), 2);
    }

    #[tokio::test]
    async fn after_a_cut_the_pace_grows_by_one_a_round() {
        let pace = Pace::new(100);
        pace.enter().await.throttled();
        for _ in 0..4 {
            pace.enter().await.answered();
        }
        assert_eq!(pace.limit(), 5);
    }
}

//! Tasks for many objects at once, bounded over the whole run.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

/// A group of tasks that takes its places from the run.
pub(super) struct Crew {
    places: Arc<Semaphore>,
    tasks: JoinSet<()>,
}

impl Crew {
    /// A crew without tasks yet.
    pub(super) fn new(places: &Arc<Semaphore>) -> Self {
        Self { places: Arc::clone(places), tasks: JoinSet::new() }
    }

    /// Starts a task as soon as there is a place.
    pub(super) async fn send(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        let place: OwnedSemaphorePermit =
            Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        while let Some(ended) = self.tasks.try_join_next() {
            pass_on(ended);
        }
        // In the span of the run, whose log its lines belong to.
        let task = async move {
            task.await;
            drop(place);
        };
        self.tasks.spawn(task.in_current_span());
    }

    /// Waits for all of them.
    pub(super) async fn finish(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            pass_on(ended);
        }
    }
}

/// A task that panicked must not look like one that ended.
pub(super) fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

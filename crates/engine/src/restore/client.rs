//! Requests of a restore: paced together, and repeated while the failure may pass.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use crate::object::Object;
use crate::port::{Clock, Cluster, ClusterError, ObjectRef, Patch, Ports, WriteOptions};
use crate::retry::{Retry, is_away};

/// The cluster as a restore talks to it.
pub(super) struct Client {
    pub(super) cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    retry: Retry,
    stop: CancellationToken,
    lost: Mutex<Option<ClusterError>>,
}

/// What came of a create.
pub(super) struct Creation {
    /// The answer to the last attempt.
    pub(super) answer: Result<Object, ClusterError>,
    /// Whether an attempt before it may have been carried out although it failed.
    pub(super) uncertain: bool,
}

impl Client {
    /// A client with at most `max_in_flight` requests in flight.
    pub(super) fn new(ports: &Ports, max_in_flight: usize, cancel: &CancellationToken) -> Self {
        Self {
            cluster: Arc::clone(&ports.cluster),
            clock: Arc::clone(&ports.clock),
            pace: Pace::new(max_in_flight),
            retry: Retry::API,
            stop: cancel.child_token(),
            lost: Mutex::default(),
        }
    }

    /// Whether the run was cancelled, or has lost the API server. Requests fail at once then.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Why the API server is taken for lost.
    pub(super) fn lost(&self) -> Option<ClusterError> {
        self.lock_lost().clone()
    }

    /// Sends a request that may be repeated.
    pub(super) async fn call<T, F>(&self, send: impl Fn() -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, ClusterError>>,
    {
        self.persist(|| self.paced(send())).await
    }

    /// Repeats a request while that may help. An API server that stays away for as long as that is lost to the whole run; one that
    /// answers others is not.
    async fn persist<T, F>(&self, send: impl FnMut() -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, ClusterError>>,
    {
        let stopped = || Err(ClusterError::Unavailable { message: "the restore was stopped".to_owned() });
        let answer = tokio::select! {
            biased;
            () = self.stop.cancelled() => return stopped(),
            answer = self.retry.run(&*self.clock, send) => answer,
        };
        if let Err(error) = &answer
            && error.is_retryable()
            && is_away(&*self.cluster).await
        {
            self.lock_lost().get_or_insert_with(|| error.clone());
            self.stop.cancel();
        }
        answer
    }

    fn lock_lost(&self) -> MutexGuard<'_, Option<ClusterError>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an object.
    pub(super) async fn create(&self, object: &ObjectRef, body: Bytes, options: &WriteOptions) -> Creation {
        let uncertain = AtomicBool::new(false);
        let attempt = || async {
            let answer = self.paced(self.cluster.create(object, body.clone(), options)).await;
            let lost = matches!(
                answer,
                Err(ClusterError::Timeout | ClusterError::Unavailable { .. } | ClusterError::Server { .. })
            );
            uncertain.fetch_or(lost, Ordering::Relaxed);
            answer
        };
        let answer = self.persist(attempt).await;
        Creation { answer, uncertain: uncertain.into_inner() }
    }

    /// Reads an object; `None` when it is not there.
    pub(super) async fn get(&self, object: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        match self.call(|| self.cluster.get(object)).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Patches an object.
    pub(super) async fn patch(&self, object: &ObjectRef, patch: Vec<u8>) -> Result<Object, ClusterError> {
        let (patch, options) = (Patch::Merge(Bytes::from(patch)), WriteOptions::default());
        self.call(|| self.cluster.patch(object, None, &patch, &options)).await
    }

    async fn paced<T>(
        &self,
        request: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let slot = self.pace.enter().await;
        let answer = request.await;
        match &answer {
            Err(ClusterError::TooManyRequests { .. } | ClusterError::Timeout) => slot.throttled(),
            _ => slot.answered(),
        }
        // A webhook that does not answer is no fault that passes within a minute, and its message is what the user needs.
        match answer {
            Err(ClusterError::Server { code: 500, message })
                if message.contains("failed calling webhook") =>
            {
                Err(ClusterError::Invalid { message })
            }
            answer => answer,
        }
    }
}

//! Repeats what failed for a passing reason, with growing pauses, and respects what the server asks for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Kind;
use crate::port::{Clock, Cluster, ClusterError, ObjectRef};

/// Whether nothing gets through to the cluster at the moment. What fails while other requests are answered is the fault of one kind,
/// such as that of an aggregated API server or webhook; what fails like this is worth another run later. An API server that has lost its
/// storage still tells its version, so an object is asked for as well.
pub async fn is_away(cluster: &dyn Cluster) -> bool {
    let kind = Arc::new(Kind::builtin("", "v1", "Namespace", "namespaces", false));
    let any = ObjectRef { kind, namespace: None, name: "default".to_owned() };
    cluster.version().await.is_err() || cluster.get(&any).await.is_err_and(|error| error.is_retryable())
}

/// How often and how long to try.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Most attempts, the first included.
    pub attempts: u32,
    /// Pause after the first failure; doubled each time.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
}

impl Retry {
    /// For requests to the API server: rides out a restart of about a minute and a half.
    pub const API: Self = Self {
        attempts: 12,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_secs(15),
    };

    /// Runs `call` until it succeeds, fails for good ([`ClusterError::is_retryable`]), or the attempts are used up. `call` must be
    /// safe to repeat: a request that timed out may have been carried out.
    pub async fn run<T, F>(self, clock: &dyn Clock, mut call: impl FnMut() -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, ClusterError>>,
    {
        let mut pause = self.first_pause;
        let mut attempt = 1;
        loop {
            match call().await {
                Err(error) if error.is_retryable() && attempt < self.attempts => {
                    tracing::debug!(%error, attempt, "request failed, will be repeated");
                    clock.sleep(error.retry_after().unwrap_or(pause).min(self.longest_pause)).await;
                    pause = (pause * 2).min(self.longest_pause);
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}

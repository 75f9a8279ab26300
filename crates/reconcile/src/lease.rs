//! Leader election on a Lease, by the rules of client-go, so that kubectl and other tools read it as any other.
//!
//! Time is measured by each process's own monotonic clock only. The leader's right ends `renew_deadline` after it asked for the last
//! renewal that it knows of. Others take the Lease when they have seen no change of it for the whole duration that it names, or at once
//! when its holder has let go of it. As the first is shorter than the second, two never have the right at a time.

mod rule;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use tokio::time::Instant;

use self::rule::{Move, Sight};
use crate::Fence;

/// Times of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait for a leader that says nothing.
    pub duration: Duration,
    /// How long a leader goes on that can't renew. It MUST be shorter than `duration`.
    pub renew_deadline: Duration,
    /// How often the leader renews.
    pub renew: Duration,
    /// How often others look.
    pub look: Duration,
}

impl Default for Timing {
    /// Those of Kubernetes' own controllers; others look each second, so that a clean hand-over takes no longer.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { duration: seconds(15), renew_deadline: seconds(10), renew: seconds(2), look: seconds(1) }
    }
}

/// Longest time for one request, so that one that hangs leaves time for another.
const REQUEST: Duration = Duration::from_secs(3);

/// Tells the time of day, for people who read the Lease.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One process that wants to lead.
#[derive(Clone)]
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    clock: WallClock,
}

/// A Lease that this process holds.
#[derive(Debug)]
pub struct Held {
    lease: Lease,
    /// When the renewal was asked for that is known to have succeeded.
    since: Instant,
}

impl Candidate {
    /// Wants the Lease `name`. `identity` MUST be this process's own, also among its restarts.
    pub fn new(leases: Api<Lease>, name: &str, identity: &str, timing: Timing, clock: WallClock) -> Self {
        Self { leases, name: name.to_owned(), identity: identity.to_owned(), timing, clock }
    }

    /// Waits until the Lease is free and takes it. Safe to be dropped: a Lease that was just taken lapses.
    pub async fn acquire(&self) -> Held {
        let mut sight = Sight::default();
        let mut told = None;
        loop {
            let asked = Instant::now();
            let wait = match self.try_acquire(&mut sight, asked).await {
                Ok(Ok(lease)) => return Held { lease, since: asked },
                Ok(Err(wait)) => wait,
                Err(error) => {
                    tracing::warn!(lease = self.name, error = %error, "the lease can't be had, will be tried again");
                    self.timing.renew
                }
            };
            if told.as_deref() != sight.holder() {
                told = sight.holder().map(ToOwned::to_owned);
                tracing::info!(
                    lease = self.name,
                    leader = told,
                    "another server leads, waiting for its lease"
                );
            }
            tokio::time::sleep(wait.min(self.timing.look)).await;
        }
    }

    /// Takes the Lease if it is free, else says how long it can't be.
    async fn try_acquire(
        &self,
        sight: &mut Sight,
        now: Instant,
    ) -> Result<Result<Lease, Duration>, LeaseError> {
        let found = limited(self.leases.get_opt(&self.name)).await?;
        let now_on_the_wall = (self.clock)();
        match sight.look(found.as_ref(), &self.identity, now, now_on_the_wall, self.timing.duration) {
            Move::Wait(left) => Ok(Err(left)),
            Move::Take(spec) => match self.write(found, spec).await {
                Ok(lease) => Ok(Ok(lease)),
                // Another one was faster.
                Err(LeaseError::Api(kube::Error::Api(status))) if status.code == 409 => {
                    Ok(Err(self.timing.look))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Keeps the Lease, and the fence open, until that fails. The fence ends by itself at the same time.
    pub async fn keep(&self, held: &mut Held, fence: &Fence) {
        loop {
            let deadline = held.since + self.timing.renew_deadline;
            fence.extend(deadline);
            tokio::time::sleep(self.timing.renew).await;
            if !self.renew_until(held, deadline).await {
                fence.close();
                return;
            }
        }
    }

    /// Tries to renew until the deadline; says whether it was done.
    async fn renew_until(&self, held: &mut Held, deadline: Instant) -> bool {
        while Instant::now() < deadline {
            let asked = Instant::now();
            match tokio::time::timeout_at(deadline, self.renew(&held.lease)).await {
                Ok(Ok(Some(lease))) => {
                    *held = Held { lease, since: asked };
                    return true;
                }
                Ok(Ok(None)) => {
                    tracing::error!(lease = self.name, "another server has taken the lease");
                    return false;
                }
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, error = %error, "the lease could not be renewed");
                }
                Err(_) => break,
            }
            tokio::time::sleep(self.timing.look.min(deadline.saturating_duration_since(Instant::now())))
                .await;
        }
        tracing::error!(lease = self.name, "the lease could not be renewed in time");
        false
    }

    /// Renews; `None` when somebody else has the Lease.
    async fn renew(&self, lease: &Lease) -> Result<Option<Lease>, LeaseError> {
        let spec = |lease: &Lease| rule::renewed(lease.spec.as_ref(), (self.clock)(), self.timing.duration);
        match self.write(Some(lease.clone()), spec(lease)).await {
            Err(LeaseError::Api(kube::Error::Api(status))) if status.code == 409 || status.code == 404 => {
                // Somebody touched it: a label, or another leader.
                let found = limited(self.leases.get_opt(&self.name)).await?;
                match found.filter(|found| rule::holder(found.spec.as_ref()) == Some(&self.identity)) {
                    Some(found) => self.write(Some(found.clone()), spec(&found)).await.map(Some),
                    None => Ok(None),
                }
            }
            result => result.map(Some),
        }
    }

    /// Lets go of the Lease, so that another one can take it at once. The fence MUST be closed.
    pub async fn release(&self, held: Held) {
        let spec = rule::released(held.lease.spec.as_ref(), (self.clock)());
        match self.write(Some(held.lease), spec).await {
            Ok(_) => tracing::info!(lease = self.name, "the lease is released"),
            Err(error) => {
                tracing::warn!(lease = self.name, error = %error, "the lease could not be released, it will lapse");
            }
        }
    }

    async fn write(&self, found: Option<Lease>, spec: LeaseSpec) -> Result<Lease, LeaseError> {
        let parameters = PostParams::default();
        if let Some(mut lease) = found {
            lease.spec = Some(spec);
            return limited(self.leases.replace(&self.name, &parameters, &lease)).await;
        }
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec) };
        limited(self.leases.create(&parameters, &lease)).await
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, identity, timing, .. } = self;
        f.debug_struct("Candidate")
            .field("name", name)
            .field("identity", identity)
            .field("timing", timing)
            .finish_non_exhaustive()
    }
}

/// Why a request about the Lease failed.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("the API server did not answer in time")]
    Timeout,
    #[error("{0}")]
    Api(kube::Error),
}

async fn limited<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, LeaseError> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(result) => result.map_err(LeaseError::Api),
        Err(_) => Err(LeaseError::Timeout),
    }
}

#[cfg(test)]
mod tests;

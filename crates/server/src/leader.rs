//! One of several servers works; the others stand by, answer questions and take over.

use std::sync::Arc;
use std::time::Duration;

use bowline_reconcile::{Candidate, Timing};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::controller;

/// How long work that was told to stop may take to do so: less than a pod's grace period.
const GRACE: Duration = Duration::from_secs(25);

/// How one of several servers is chosen.
#[derive(Clone, Debug)]
pub struct Election {
    /// Name of the Lease in the server's namespace.
    pub lease: String,
    /// Name of this process; no other one may have it, also none before or after it.
    pub identity: String,
    /// Times of the election.
    pub timing: Timing,
}

impl Election {
    /// Name of the Lease of every server.
    pub const LEASE: &str = "bowline";

    /// With the usual Lease and times. `instance` is the pod or machine; what makes it this process's own is added.
    pub fn new(instance: &str) -> Self {
        let identity = format!("{instance}_{}", uuid::Uuid::new_v4());
        Self { lease: Self::LEASE.to_owned(), identity, timing: Timing::default() }
    }
}

/// Works whenever this server may, until it is to stop.
pub(crate) async fn lead(context: &Arc<Context>, client: &Client) {
    let Some(candidate) = candidate(context, client) else {
        return work(context, context.stop.clone()).await;
    };
    while !context.stop.is_cancelled() {
        let mut held = tokio::select! {
            () = context.stop.cancelled() => return,
            held = candidate.acquire() => held,
        };
        tracing::info!("this server leads");
        context.metrics.own.leader.set(1.0);
        let term = context.stop.child_token();
        let is_kept = {
            let mut work = std::pin::pin!(work(context, term.clone()));
            tokio::select! {
                // Opens the fence before anything works.
                biased;
                () = candidate.keep(&mut held, &context.fence) => {
                    term.cancel();
                    work.await;
                    false
                }
                () = &mut work => true,
            }
        };
        context.fence.close();
        context.metrics.own.leader.set(0.0);
        if is_kept {
            return candidate.release(held).await;
        }
        tracing::error!("this server does not lead any more");
    }
}

fn candidate(context: &Arc<Context>, client: &Client) -> Option<Candidate> {
    let election = context.config.election.as_ref()?;
    let leases: Api<Lease> = Api::namespaced(client.clone(), &context.config.namespace);
    let clock = Arc::clone(&context.ports.clock);
    let wall = Arc::new(move || clock.now());
    Some(Candidate::new(leases, &election.lease, &election.identity, election.timing, wall))
}

/// Runs the controllers until `stop`, and some time longer for what they have begun.
async fn work(context: &Context, stop: CancellationToken) {
    let context = Arc::new(Context { stop: stop.clone(), ..context.clone() });
    let mut controllers = JoinSet::new();
    controller::start(&context, &mut controllers);
    tracing::info!("server is ready");
    stop.cancelled().await;
    tracing::info!("server stops working");
    let ended = tokio::time::timeout(GRACE, async { while controllers.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!("work did not stop in time and is left to the next server");
        controllers.shutdown().await;
    }
}

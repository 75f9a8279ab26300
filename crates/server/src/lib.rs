//! Bowline's server: the controllers of the `velero.io` kinds, the adapters that let the engine run on a real cluster, and the
//! operations that run one backup or restore from end to end, with or without a server.
//!
//! [`run`] is the program. [`run_on`] is the same server on parts that the caller makes ([`Host`]: any kube client, any stores, any
//! clock), which is how tests start, stop and kill it: cancel [`Host::stop`] for a clean end, drop the future for a kill.

pub mod adapter;
mod config;
mod context;
mod controller;
mod counted;
mod download;
mod failure;
mod fenced;
mod host;
mod http;
mod leader;
pub mod location;
mod metrics;
pub mod operation;
mod profile;
mod startup;
mod traced;

use std::sync::Arc;

use anyhow::Context as _;
use bowline_reconcile::telemetry::{self, Traces};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use config::{BACKUP_CONTROLLERS, BackupDefaults, CONTROLLERS, Config, EngineSettings, Periods};
pub use controller::{ATTEMPTS_ANNOTATION, Attempt, attempts};
pub use download::{DOWNLOAD_KEY, DOWNLOAD_PATH_ANNOTATION, MESSAGE_ANNOTATION};
pub use failure::ApiError;
pub use host::{BuiltinStores, Host, StoreRegistry};
pub use leader::Election;

/// The version of server and client, as users see it.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Runs the server until it is told to stop by SIGTERM or SIGINT. Logs go to standard output.
///
/// A stop is clean: no new work is begun, running backups and restores are left to the next server, and nothing half-made is left
/// in a store.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let started = config.traces.as_ref().map(Traces::start).transpose();
    let traces = started.as_ref().ok().and_then(Option::as_ref);
    let logs = telemetry::install(config.log, traces).context("failed to set up the log")?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    tracing::info!(version = VERSION, namespace = config.namespace, "server starts");
    config.notices.iter().for_each(|notice| tracing::warn!("{notice}"));
    let traces = started.unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "there will be no traces");
        None
    });
    let ended = async {
        let connection = startup::connect(&config, &stop).await?;
        run_on(config, Host::new(connection, logs, stop)).await
    };
    let ended = ended.await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}

/// As [`run`], on the given parts and until [`Host::stop`] is cancelled.
pub async fn run_on(config: Config, host: Host) -> anyhow::Result<()> {
    startup::check(&host.connection.client, &config.namespace).await?;
    let stop = host.stop.clone();
    let mut watches = JoinSet::new();
    let context = Arc::new(startup::context(config, &host, &mut watches).await?);
    let mut listener = JoinSet::new();
    listener.spawn(http::serve(Arc::clone(&context)));
    watches.spawn(profile::serve(Arc::clone(&context)));
    let mut leading = std::pin::pin!(leader::lead(&context, &host.connection.client));
    let ended = tokio::select! {
        () = &mut leading => Ok(()),
        Some(ended) = listener.join_next() => {
            // It ends when the server stops, or because it can't listen.
            stop.cancel();
            leading.await;
            ended.context("the listener ended")?.context("failed to listen")
        }
    };
    tracing::info!("server has stopped");
    ended
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
}

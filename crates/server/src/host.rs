//! What the server runs on. Each part has a real form and one for tests.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bowline_engine::port::{Clock, PodExec};
use bowline_reconcile::telemetry::RunLogs;
use bowline_store::{LocationConfig, ObjectStore};
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::adapter::{Connection, KubeExec, SystemClock};

/// Everything outside of the server that it works with. Dropping the future of [`crate::run_on`] is a kill: nothing that it began
/// goes on.
#[derive(Clone)]
pub struct Host {
    /// The API server.
    pub connection: Connection,
    /// Opens the stores of locations.
    pub stores: Arc<dyn StoreRegistry>,
    /// Runs hooks in containers.
    pub exec: Arc<dyn PodExec>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The logs of backups and restores; the log layer of the process writes into them.
    pub logs: RunLogs,
    /// Where the metrics are registered; empty at first.
    pub registry: Registry,
    /// Cancelled for a clean end.
    pub stop: CancellationToken,
}

impl Host {
    /// The real parts around a connection.
    pub fn new(connection: Connection, logs: RunLogs, stop: CancellationToken) -> Self {
        let exec = Arc::new(KubeExec::new(connection.client.clone()));
        let (stores, clock) = (Arc::new(BuiltinStores), Arc::new(SystemClock));
        Self { connection, stores, exec, clock, logs, registry: Registry::new(), stop }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Knows the object stores that locations can name.
#[async_trait]
pub trait StoreRegistry: Send + Sync + 'static {
    /// Opens the store of a location; keys begin below its prefix, and a read-only location refuses changes. It is called again only
    /// when the location or a secret of it has changed.
    async fn open(&self, location: &LocationConfig) -> bowline_store::Result<Arc<dyn ObjectStore>>;
}

/// The stores that are part of the program.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltinStores;

#[async_trait]
impl StoreRegistry for BuiltinStores {
    async fn open(&self, location: &LocationConfig) -> bowline_store::Result<Arc<dyn ObjectStore>> {
        bowline_store::open(location).await
    }
}

//! The engine's ports on a real cluster: API server, exec into containers, clock; and how to connect to it all.

mod clock;
mod cluster;
mod connect;
mod exec;
mod limit;

use std::sync::Arc;

use bowline_engine::port::Ports;

pub use clock::SystemClock;
pub use cluster::ApiServer;
pub use connect::{ConnectError, ConnectOptions, Connection, connect};
pub use exec::KubeExec;

/// The ports of a run, over one connection.
pub fn ports(connection: &Connection) -> Ports {
    Ports {
        cluster: Arc::new(ApiServer::new(connection)),
        exec: Arc::new(KubeExec::new(connection.client.clone())),
        clock: Arc::new(SystemClock),
    }
}

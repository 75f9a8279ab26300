//! In-memory ports and object builders, for tests only.
//!
//! These are small real things, not mocks: a test looks at the state of the world afterwards, not at the calls that were made.

pub mod clock;
pub mod cluster;
#[cfg(feature = "server")]
pub mod conformance;
pub mod exec;
pub mod fault;
pub mod mover;
pub mod object;
pub mod process;
#[cfg(feature = "server")]
pub mod store;

use std::sync::Arc;

use bowline_engine::port::Ports;

pub use clock::{FrozenClock, TokioClock};
pub use cluster::MemoryCluster;
pub use exec::ScriptedExec;
pub use fault::{Call, Fault, Faults};
pub use mover::Mover;
pub use process::{Moment, Process};
#[cfg(feature = "server")]
pub use store::{Bucket, FaultyStore};

/// Ports over a memory cluster, with commands that all succeed and a frozen clock.
pub fn ports(cluster: &Arc<MemoryCluster>) -> Ports {
    Ports {
        cluster: Arc::clone(cluster) as _,
        exec: Arc::new(ScriptedExec::default()),
        clock: Arc::new(FrozenClock::default()),
    }
}

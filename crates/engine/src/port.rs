//! What the engine needs from outside: the cluster, its pods, and the clock.
//!
//! Each trait's doc is the contract that the real adapter and the in-memory one share.

mod clock;
mod cluster;
mod exec;

use std::sync::Arc;

pub use clock::Clock;
pub use cluster::{
    Cluster, ClusterError, Condition, ListQuery, ObjectRef, PageRequest, Patch, ServerVersion, WriteOptions,
};
pub use exec::{ExecError, ExecRequest, PodExec};

/// The ports that one backup or restore runs over. Cloning is cheap.
#[derive(Clone)]
pub struct Ports {
    /// The cluster whose objects are read or written.
    pub cluster: Arc<dyn Cluster>,
    /// Runs hook commands inside containers.
    pub exec: Arc<dyn PodExec>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

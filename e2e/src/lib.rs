//! The harness of the tests against a real API server and a real object store, and of the demo.
//!
//! [`Cluster`] starts a control plane through `cluster/up` (once per test program) and runs `kubectl` on it; [`Bowline`] runs
//! the `bowline` program as a user would, with its backups at a [`Location`]; [`Sample`] is the application to lose; [`Snapshot`]
//! holds what is in the cluster at one moment; [`compare`] judges two of them; [`Gate`] stops a program in the middle of its work,
//! [`Proxy`] makes bad weather between it and its store.
//! Nothing here knows how Bowline works inside: it sees what a user sees.

mod bowline;
mod cluster;
mod command;
pub mod compare;
mod gate;
pub mod helm;
pub mod location;
mod proxy;
mod sample;
pub mod settings;
mod snapshot;

pub use bowline::{Bowline, Server};
pub use cluster::{Cluster, Lifetime};
pub use command::Output;
pub use gate::Gate;
pub use location::Location;
pub use proxy::{Proxy, Weather};
pub use sample::Sample;
pub use snapshot::{ObjectKey, Snapshot};

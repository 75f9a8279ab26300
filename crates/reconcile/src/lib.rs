//! A small kit for level-based controllers: cached watches, a keyed work queue with back-off, one status patch, reports, logs,
//! and the election of the one server that may change things.
//!
//! ```text
//!  Cache<K> ──changed names──> Worker ──name──> Reconcile::reconcile: observe → decide → act → StatusPatch
//! ```
//!
//! All kinds live in one namespace, so a name is a key. Nothing here knows what a backup is.

mod backoff;
mod cache;
mod fence;
mod lease;
mod patch;
mod report;
pub mod telemetry;
mod worker;

pub use backoff::Backoff;
pub use cache::{Cache, Change, Changes};
pub use fence::{Fence, Fenced, fenced_client};
pub use lease::{Candidate, Held, Timing, WallClock};
pub use patch::{Guard, merge_diff, patch, patch_body};
pub use report::Reporter;
pub use worker::{Failure, Next, Reconcile, Worker};

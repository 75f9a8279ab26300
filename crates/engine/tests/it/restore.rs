//! Restores into a memory cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod actions;
mod content;
mod dry_run;
mod dynamic_volumes;
mod existing;
mod faults;
mod golden;
mod harness;
mod hooks;
mod selection;
mod versions;

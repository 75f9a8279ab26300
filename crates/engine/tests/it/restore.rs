//! Restores into a memory cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod harness;

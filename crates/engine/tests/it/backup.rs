//! Backups of a memory cluster.

mod golden;
mod harness;
mod selection;

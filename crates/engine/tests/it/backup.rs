//! Backups of a memory cluster.

mod faults;
mod golden;
mod harness;
mod operations;
mod related;
mod selection;
mod volumes;

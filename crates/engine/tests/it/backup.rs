//! Backups of a memory cluster.

mod actions;
mod blocks;
mod faults;
mod golden;
mod harness;
mod operations;
mod related;
mod selection;
mod volumes;

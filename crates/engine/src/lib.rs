//! What backup and restore mean.
//!
//! The engine decides and orders; it has no Kubernetes client, no object store and no clock of its own. All of those are
//! ports ([`port`]), so that the same code runs in the server, in the command line without a server, and in tests.
//!
//! ```text
//!  backup:   select → collect (pages of raw objects) → decide → actions → archive::Writer
//!  restore:  archive::Spool → plan (checks, rewrites) → waves → apply
//! ```

pub mod action;
pub mod archive;
pub mod backup;
pub mod budget;
pub mod catalog;
pub mod deletion;
pub mod diff;
pub mod finding;
pub mod hook;
pub mod modify;
pub mod nearest;
pub mod object;
pub mod operation;
pub mod port;
pub mod progress;
pub mod restore;
pub mod retry;
pub mod schedule;
pub mod select;
pub mod trace;
pub mod volume;
mod yaml;

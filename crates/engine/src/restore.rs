//! Restore: the archive becomes an indexed spool; a plan says what happens to each object and why; waves apply it.

mod request;

pub use request::{RestoreError, RestoreOutcome, RestoreRequest};

//! Backup: discover → select → list pages → decide → actions → archive, in one streaming pass.

mod request;

pub use request::{BackupError, BackupOutcome, BackupRequest, HookCounts};

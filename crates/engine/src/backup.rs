//! Backup: discover → select → list pages → decide → actions → archive, in one streaming pass.
//!
//! All lists run at once in one task, bounded by requests and bytes in flight; compression runs beside it on blocking threads. Pods with
//! hooks are held back ([`held`]) until all pods are known, and are then stored in item blocks with what belongs to them ([`block`]).
//! What stored objects merely need ([`related`]) is fetched at the end, unless its own list has brought it.

mod block;
mod collect;
mod crd;
mod decide;
mod each;
mod finalize;
mod held;
mod ledger;
mod order;
mod page;
mod prepare;
mod related;
mod request;
mod results;
mod run;
mod store;
mod written;

pub use decide::{Candidate, Origin, Skip, decide};
pub use finalize::finalize;
pub use request::{BackupError, BackupOutcome, BackupRequest, FinalizeOutcome, HookCounts, Purpose};
pub use results::spell;
pub use run::run;

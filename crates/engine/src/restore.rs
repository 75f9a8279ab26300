//! Restore: the archive becomes an indexed spool; a plan says what happens to each object and why; waves apply it.
//!
//! ```text
//!  Spool ─ wave (filters, order) ─┬─ existing (one list a section) ─┐
//!                                 └─ item: check → craft (actions)     ┴─ place (create | compare) → ledger
//! ```

mod check;
mod chosen;
mod client;
mod compare;
mod craft;
mod crd;
mod crew;
mod dynamic_volume;
mod existing;
mod explain;
mod fields;
mod filter;
mod flow;
mod hook;
mod item;
mod ledger;
mod managed_fields;
mod namespace;
mod need;
mod order;
mod pace;
mod place;
mod plan;
mod prepare;
mod request;
mod rules;
mod run;
mod scene;
mod skip;
mod unknown;
mod version;
mod volume;
mod wave;

pub use dynamic_volume::{DynamicVolume, dynamic_volumes, patch_dynamic_volumes};
pub use order::DEFAULT_PRIORITIES;
pub use plan::{LeftOut, Plan, PlannedItem, Step, StepCounts};
pub use request::{RestoreError, RestoreOutcome, RestoreRequest};
pub use rules::NON_RESTORABLE;
pub use run::{dry_run, run};
pub use skip::Skip;
pub use version::{VersionPriorities, parse_version_priorities};

fn is_crd(resource: &crate::catalog::GroupResource) -> bool {
    resource.is("apiextensions.k8s.io", "customresourcedefinitions")
}

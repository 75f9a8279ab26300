//! The built-in backup actions, in the order in which they run (behaviour §5).

mod crd_remap_version;
pub(super) mod persistent_volume;
pub(super) mod pod;
pub(super) mod service_account;

use std::sync::Arc;

use super::BackupAction;

/// The built-in actions, new for one run: some of them remember what they have read from the cluster.
pub fn builtin() -> Vec<Arc<dyn BackupAction>> {
    vec![
        Arc::new(crd_remap_version::CrdRemapVersion),
        Arc::new(pod::Pod),
        Arc::new(persistent_volume::PersistentVolume),
        Arc::new(service_account::ServiceAccount::default()),
    ]
}

//! The built-in item block actions, in the order in which they run (behaviour §5).

mod claim;

use std::sync::Arc;

use super::ItemBlockAction;
use super::backup::{pod, service_account};

/// The built-in actions, new for one run: some of them remember what they have read from the cluster.
pub fn builtin() -> Vec<Arc<dyn ItemBlockAction>> {
    vec![
        Arc::new(pod::Pod),
        Arc::new(claim::Claim::default()),
        Arc::new(service_account::ServiceAccount::default()),
    ]
}

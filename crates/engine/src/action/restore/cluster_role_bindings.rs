//! `velero.io/cluster-role-bindings`: subjects follow the namespace mapping.

use super::{Pure, changed, map_subjects};

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/cluster-role-bindings",
    resources: &["clusterrolebindings"],
    execute: |binding, context| Ok(changed(|| map_subjects(binding, context.restore))),
};

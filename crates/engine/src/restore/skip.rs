//! Why an object is not restored: one list of reasons for the plan, the log, and `describe`.

use std::fmt;

use bowline_api::artifact::ItemResult;

/// A reason not to restore an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The restore's resource filter leaves the kind out.
    ResourceExcluded,
    /// The restore's namespace filter leaves the namespace out.
    NamespaceExcluded,
    /// The restore says that cluster-scoped objects are left out.
    ClusterScoped,
    /// Only some namespaces are restored, so cluster-scoped objects come only where a restored object needs them.
    ClusterScopedUnneeded,
    /// The restore's label selector does not match.
    NotSelected,
    /// A filter policy of the restore leaves it out.
    FilterPolicy,
    /// A pod that has ended, or a job that is complete: restoring would run it again.
    Completed,
    /// A static pod's mirror: the kubelet makes it itself.
    MirrorPod,
    /// A volume without data in the backup, or with data that goes into a new volume: its claim is provisioned anew.
    Reprovisioned,
    /// An action took the object out, with its reason.
    ByAction {
        /// Name of the action.
        action: String,
        /// Its reason.
        reason: String,
    },
    /// The object exists and is as in the backup.
    Unchanged,
    /// The object exists and differs, and the policy is to leave it alone.
    Differs,
    /// The object exists but is being deleted.
    Dying,
}

impl Skip {
    /// How the resource list names the outcome; `None` for what it does not list (as Velero: what the filters leave out, and what is
    /// complete).
    pub fn result(&self) -> Option<ItemResult> {
        match self {
            Self::MirrorPod | Self::Reprovisioned | Self::ByAction { .. } | Self::Unchanged => {
                Some(ItemResult::Skipped)
            }
            Self::Differs | Self::Dying => Some(ItemResult::Failed),
            _ => None,
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ResourceExcluded => "the resource filter leaves its kind out",
            Self::NamespaceExcluded => "the namespace filter leaves its namespace out",
            Self::ClusterScoped => "it is cluster-scoped, and includeClusterResources is false",
            Self::ClusterScopedUnneeded => "it is cluster-scoped, and only some namespaces are restored",
            Self::NotSelected => "the label selector does not match",
            Self::FilterPolicy => "a filter policy leaves it out",
            Self::Completed => "it has run to its end",
            Self::MirrorPod => "it is the mirror of a static pod",
            Self::Reprovisioned => "its claim gets a new volume",
            Self::ByAction { action, reason } => return write!(f, "{reason} ({action})"),
            Self::Unchanged => "it exists and is as in the backup",
            Self::Differs => "it exists and differs from the backup, and the policy is to leave it alone",
            Self::Dying => "it exists but is being deleted",
        };
        f.write_str(text)
    }
}

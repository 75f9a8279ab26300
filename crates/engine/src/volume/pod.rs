//! The volumes of a pod, as far as a backup must know them.

use serde::Deserialize;

use crate::object::{Object, ObjectError};

/// The part of a pod that decisions on volumes need.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodView {
    /// `spec`.
    pub spec: PodSpecView,
    /// `status`.
    pub status: PodStatusView,
}

/// Part of a pod's spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpecView {
    /// The priority class; empty or absent without one.
    pub priority_class_name: Option<String>,
    /// The volumes.
    pub volumes: Option<Vec<PodVolume>>,
}

/// Part of a pod's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodStatusView {
    /// Such as `Running`.
    pub phase: Option<String>,
}

/// One volume of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodVolume {
    /// Name inside the pod.
    pub name: String,
    persistent_volume_claim: Option<ClaimSource>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimSource {
    claim_name: String,
}

impl PodView {
    /// Reads the view of a pod.
    pub fn of(pod: &Object) -> Result<Self, ObjectError> {
        pod.view()
    }

    /// The volumes.
    pub fn volumes(&self) -> &[PodVolume] {
        self.spec.volumes.as_deref().unwrap_or_default()
    }

    /// Names of the claims of its volumes.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.volumes().iter().filter_map(PodVolume::claim)
    }
}

impl PodVolume {
    /// Name of its claim; `None` for a volume without one.
    pub fn claim(&self) -> Option<&str> {
        let claim = self.persistent_volume_claim.as_ref()?;
        Some(claim.claim_name.as_str()).filter(|name| !name.is_empty())
    }
}

//! The volumes of a pod, as far as a backup must know them.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::object::{Object, ObjectError};

/// The part of a pod that decisions on volumes need.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodView {
    /// `spec`.
    pub spec: PodSpecView,
    status: PodStatusView,
}

/// Part of a pod's spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpecView {
    /// The priority class; empty or absent without one.
    pub priority_class_name: Option<String>,
    volumes: Option<Vec<PodVolume>>,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodStatusView {
    phase: Option<String>,
}

/// One volume of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodVolume {
    /// Name inside the pod.
    pub name: String,
    /// The field that says where it comes from, such as `emptyDir` or `persistentVolumeClaim`.
    pub source: String,
    /// That field's value.
    pub details: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    volume_mounts: Option<Vec<Mount>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Mount {
    name: String,
}

impl<'de> Deserialize<'de> for PodVolume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut volume = Self::default();
        for (key, value) in Map::deserialize(deserializer)? {
            if key == "name" {
                value.as_str().unwrap_or_default().clone_into(&mut volume.name);
            } else {
                (volume.source, volume.details) = (key, value);
            }
        }
        Ok(volume)
    }
}

impl PodView {
    /// Reads the view of a pod.
    pub fn of(pod: &Object) -> Result<Self, ObjectError> {
        pod.view()
    }

    /// Whether its containers run.
    pub fn is_running(&self) -> bool {
        self.status.phase.as_deref() == Some("Running")
    }

    /// The volumes.
    pub fn volumes(&self) -> &[PodVolume] {
        self.spec.volumes.as_deref().unwrap_or_default()
    }

    /// Names of the claims of its volumes.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.volumes().iter().filter_map(PodVolume::claim)
    }

    /// Names of the volumes that a container sees as files.
    pub fn mounted(&self) -> BTreeSet<&str> {
        let containers = self.spec.containers.iter().chain(&self.spec.init_containers).flatten();
        let mounts = containers.flat_map(|container| container.volume_mounts.iter().flatten());
        mounts.map(|mount| mount.name.as_str()).collect()
    }
}

impl PodVolume {
    /// Name of its claim; `None` for a volume without one.
    pub fn claim(&self) -> Option<&str> {
        let claim =
            (self.source == "persistentVolumeClaim").then(|| self.details["claimName"].as_str())??;
        Some(claim).filter(|name| !name.is_empty())
    }
}

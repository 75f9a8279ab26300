//! After a restore: volumes that were provisioned anew for saved data get the labels and the reclaim policy of the old ones
//! (behaviour §4, restore-finalizer). Can be repeated; a volume that is right already is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bowline_api::artifact::{BackupVolumeInfo, ResourceList, VolumeMethod};
use bowline_api::restore::Restore;
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::catalog::{GroupResource, Kind};
use crate::finding::{Finding, Level, chain};
use crate::object::Object;
use crate::port::{ClusterError, Condition, ObjectRef, Patch, Ports, WriteOptions};
use crate::retry::Retry;

/// Volumes that are waited for at once.
const AT_ONCE: usize = 3;

/// A claim whose new volume gets back what the old one had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicVolume {
    /// Namespace of the claim in the cluster that was restored to.
    pub namespace: String,
    /// Name of the claim.
    pub claim: String,
    /// Name of the old volume, for messages.
    pub old_volume: String,
    /// Labels of the old volume.
    pub labels: BTreeMap<String, String>,
    /// Reclaim policy of the old volume.
    pub reclaim_policy: String,
}

/// The volumes of a backup that a restore has provisioned anew: their data was saved file by file or by CSI, and their claims were
/// created by this restore, as its resource list says.
pub fn dynamic_volumes(
    infos: &[BackupVolumeInfo],
    restored: &ResourceList,
    restore: &Restore,
) -> Vec<DynamicVolume> {
    let created: BTreeSet<String> = restored
        .iter()
        .filter(|(kind, _)| *kind == "v1/PersistentVolumeClaim")
        .flat_map(|(_, entries)| {
            entries.filter_map(|entry| entry.strip_suffix("(created)")).collect::<Vec<_>>()
        })
        .map(ToOwned::to_owned)
        .collect();
    let volume = |info: &BackupVolumeInfo| {
        let by_data =
            matches!(info.backup_method, Some(VolumeMethod::PodVolumeBackup | VolumeMethod::CsiSnapshot));
        let old = info.pv_info.as_ref().filter(|_| by_data && !info.skipped)?;
        let mapping = &restore.spec.namespace_mapping;
        let namespace = mapping.get(&info.pvc_namespace).unwrap_or(&info.pvc_namespace).clone();
        created.contains(&format!("{namespace}/{}", info.pvc_name)).then(|| DynamicVolume {
            namespace,
            claim: info.pvc_name.clone(),
            old_volume: info.pv_name.clone(),
            labels: old.labels.clone().unwrap_or_default(),
            reclaim_policy: old.reclaim_policy.clone(),
        })
    };
    infos.iter().filter_map(volume).collect()
}

/// Waits for the volumes, each at most `timeout`, and patches them. A claim that waits for its first consumer is left as it is.
pub async fn patch_dynamic_volumes(
    volumes: &[DynamicVolume],
    ports: &Ports,
    timeout: Duration,
) -> Vec<Finding> {
    let claims = GroupResource::new("", "persistentvolumeclaims");
    let patch = |volume: &DynamicVolume| {
        let (volume, claims) = (volume.clone(), claims.clone());
        async move {
            let reason = volume.patch(ports, timeout).await.err()?;
            let message = format!(
                "the new volume of the claim {}/{} could not get back the labels and reclaim policy of {}: {reason}",
                volume.namespace, volume.claim, volume.old_volume
            );
            Some(Finding::about(Level::Error, &claims, Some(&volume.namespace), &volume.claim, message))
        }
    };
    stream::iter(volumes).map(patch).buffer_unordered(AT_ONCE).filter_map(async |it| it).collect().await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Claim {
    spec: ClaimSpec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimSpec {
    volume_name: String,
    storage_class_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Volume {
    spec: VolumeSpec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeSpec {
    claim_ref: ClaimRef,
    persistent_volume_reclaim_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClaimRef {
    namespace: String,
    name: String,
}

impl DynamicVolume {
    async fn patch(&self, ports: &Ports, timeout: Duration) -> Result<(), String> {
        let words = |error: ClusterError| chain(&error);
        let claim =
            reference("PersistentVolumeClaim", "persistentvolumeclaims", Some(&self.namespace), &self.claim);
        let found = get(ports, &claim).await.map_err(words)?;
        if waits_for_consumer(ports, &read(&found)).await.map_err(words)? {
            tracing::info!(
                namespace = self.namespace,
                claim = self.claim,
                "claim waits for its first consumer"
            );
            return Ok(());
        }
        let bound: Condition = Arc::new(|object| {
            object.is_some_and(|object| {
                let claim: Claim = read(object);
                claim.status.phase == "Bound" && !claim.spec.volume_name.is_empty()
            })
        });
        wait(ports, &claim, bound, timeout).await?;
        let name = read::<Claim>(&get(ports, &claim).await.map_err(words)?).spec.volume_name;
        let volume = reference("PersistentVolume", "persistentvolumes", None, &name);
        let bound: Condition =
            Arc::new(|object| object.is_some_and(|object| read::<Volume>(object).status.phase == "Bound"));
        wait(ports, &volume, bound, timeout).await?;
        let object = get(ports, &volume).await.map_err(words)?;
        let owner = read::<Volume>(&object).spec.claim_ref;
        if (&owner.namespace, &owner.name) != (&self.namespace, &self.claim) {
            return Err(format!("{name} is bound to another claim, {}/{}", owner.namespace, owner.name));
        }
        let Some(body) = self.difference(&object) else { return Ok(()) };
        let (patch, options) = (Patch::Merge(body.to_string().into()), WriteOptions::default());
        let write = || ports.cluster.patch(&volume, None, &patch, &options);
        Retry::API.run(&*ports.clock, write).await.map(drop).map_err(words)
    }

    /// The patch that a volume needs; `None` when it is right already.
    fn difference(&self, volume: &Object) -> Option<Value> {
        let policy = read::<Volume>(volume).spec.persistent_volume_reclaim_policy;
        let missing = self.labels.iter().any(|(name, value)| volume.head().label(name) != Some(value));
        (missing || policy != self.reclaim_policy).then(|| {
            json!({"metadata": {"labels": self.labels}, "spec": {"persistentVolumeReclaimPolicy": self.reclaim_policy}})
        })
    }
}

async fn waits_for_consumer(ports: &Ports, claim: &Claim) -> Result<bool, ClusterError> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Class {
        volume_binding_mode: String,
    }
    let Some(class) = claim.spec.storage_class_name.as_deref().filter(|name| !name.is_empty()) else {
        return Ok(false);
    };
    if claim.status.phase != "Pending" {
        return Ok(false);
    }
    let kind = Arc::new(Kind::builtin("storage.k8s.io", "v1", "StorageClass", "storageclasses", false));
    let class = get(ports, &ObjectRef { kind, namespace: None, name: class.to_owned() }).await?;
    Ok(read::<Class>(&class).volume_binding_mode == "WaitForFirstConsumer")
}

async fn wait(
    ports: &Ports,
    object: &ObjectRef,
    condition: Condition,
    timeout: Duration,
) -> Result<(), String> {
    match ports.cluster.wait(object, condition, timeout).await {
        Err(ClusterError::Timeout) => Err(format!("{object} was not bound within {}s", timeout.as_secs())),
        result => result.map_err(|error| chain(&error)),
    }
}

async fn get(ports: &Ports, object: &ObjectRef) -> Result<Object, ClusterError> {
    Retry::API.run(&*ports.clock, || ports.cluster.get(object)).await
}

/// The parts that `T` names; zero values where the object has another shape.
fn read<T: Default + for<'de> Deserialize<'de>>(object: &Object) -> T {
    object.view().unwrap_or_default()
}

fn reference(kind: &str, plural: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    let kind = Arc::new(Kind::builtin("", "v1", kind, plural, namespace.is_some()));
    ObjectRef { kind, namespace: namespace.map(ToOwned::to_owned), name: name.to_owned() }
}

//! Persistent volumes and their claims, as far as no data is involved (behaviour §7.6).
//!
//! A volume comes back as it was only when its reclaim policy says that the storage behind it was kept. In all other cases its claim
//! gets a new volume: from the storage class, or later from the backup's data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bowline_api::artifact::{BackupVolumeInfo, VolumeMethod};
use bowline_api::label;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::rules::Rules;
use crate::archive::ArchiveError;
use crate::archive::spool::Spool;
use crate::catalog::GroupResource;
use crate::object::{Object, ObjectError};

/// What is done with a persistent volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PvStep {
    /// It is not restored; its claim gets a new one.
    Reprovision,
    /// It is restored, and free for its claim to bind again.
    Recreate,
}

/// The volumes of one run whose claims get new ones.
#[derive(Debug, Default)]
pub(super) struct Reprovisioned(Mutex<BTreeSet<String>>);

impl Reprovisioned {
    pub(super) fn add(&self, volume: &str) {
        self.lock().insert(volume.to_owned());
    }

    pub(super) fn has(&self, volume: &str) -> bool {
        self.lock().contains(volume)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides for a persistent volume of the backup.
pub(super) fn decide(volume: &Object, rules: &Rules) -> Result<PvStep, ObjectError> {
    let has_data =
        matches!(method(volume, rules), Some(VolumeMethod::PodVolumeBackup | VolumeMethod::CsiSnapshot));
    let policy = volume.view::<View>()?.spec.persistent_volume_reclaim_policy;
    Ok(if has_data || policy == "Delete" { PvStep::Reprovision } else { PvStep::Recreate })
}

/// How the backup saved the volume's data. Backups older than Velero 1.13 name claims instead of volumes.
fn method(volume: &Object, rules: &Rules) -> Option<VolumeMethod> {
    if let Some(info) = rules.volumes.get(&volume.head().name) {
        return info.backup_method.clone();
    }
    let claim = volume.view::<View>().ok()?.spec.claim_ref?;
    rules.claims.get(&(claim.namespace, claim.name)).cloned()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    persistent_volume_reclaim_policy: String,
    claim_ref: Option<Claim>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Claim {
    namespace: String,
    name: String,
}

/// How claims were saved, by namespace and name, as far as no info names their volume: by what the infos say of claims, and by the
/// uploads that are in the backup.
pub(super) fn saved_claims(
    infos: &[BackupVolumeInfo],
    spool: &Spool,
) -> Result<BTreeMap<(String, String), VolumeMethod>, ArchiveError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Upload {
        spec: UploadSpec,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct UploadSpec {
        source_namespace: String,
        #[serde(rename = "sourcePVC")]
        source_claim: String,
    }
    let nameless = infos.iter().filter(|info| info.pv_name.is_empty() && !info.pvc_name.is_empty());
    let of_infos = nameless.filter_map(|info| {
        Some(((info.pvc_namespace.clone(), info.pvc_name.clone()), info.backup_method.clone()?))
    });
    let mut claims: BTreeMap<_, _> = of_infos.collect();
    for group in spool.groups(&GroupResource::new("velero.io", "datauploads")) {
        for entry in group.entries() {
            let upload = spool.load(entry)?.view::<Upload>().unwrap_or_default().spec;
            claims.entry((upload.source_namespace, upload.source_claim)).or_insert(VolumeMethod::CsiSnapshot);
        }
    }
    Ok(claims)
}

/// Says that data was saved which nothing restores: an empty volume must not look like a restored one. `None` where there is no such
/// data, or where the user does not want it.
pub(super) fn lost_data(volume: &Object, rules: &Rules) -> Option<String> {
    let method = method(volume, rules).filter(|_| rules.restore.spec.restore_pvs != Some(false))?;
    let name = &volume.head().name;
    Some(format!(
        "the data of volume {name} was saved as {method} and is not restored: nothing here restores such data"
    ))
}

/// Frees a volume that is restored as it was: its claim has the mapped namespace, and will have another uid.
pub(super) fn free(volume: &mut Value, rules: &Rules) {
    drop_binding(volume);
    let Some(claim) = volume.pointer_mut("/spec/claimRef").and_then(Value::as_object_mut) else { return };
    claim.remove("uid");
    claim.remove("resourceVersion");
    if let Some(Value::String(namespace)) = claim.get_mut("namespace") {
        *namespace = rules.target_namespace(namespace).to_owned();
    }
}

/// Makes a claim ready to bind: to its old volume, or to a new one.
pub(super) fn unbind(claim: &mut Value, reprovisioned: &Reprovisioned) {
    let volume = claim.pointer("/spec/volumeName").and_then(Value::as_str).unwrap_or_default();
    if volume.is_empty() {
        return;
    }
    let renew = reprovisioned.has(volume);
    drop_binding(claim);
    if let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut).filter(|_| renew) {
        spec.remove("volumeName");
    }
}

fn drop_binding(object: &mut Value) {
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(label::BIND_COMPLETED);
        annotations.remove(label::BOUND_BY_CONTROLLER);
        drop_if_empty(object);
    }
}

fn drop_if_empty(object: &mut Value) {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) =
        metadata.filter(|it| it.get("annotations").and_then(Value::as_object).is_some_and(Map::is_empty))
    {
        metadata.remove("annotations");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_loses_its_binding_and_the_volume_that_is_not_restored() {
        let claim = json!({"metadata": {"name": "c", "annotations": {"pv.kubernetes.io/bind-completed": "yes", "a": "b"}},
            "spec": {"volumeName": "pv"}});
        let reprovisioned = Reprovisioned::default();
        let mut kept = claim.clone();
        unbind(&mut kept, &reprovisioned);
        assert_eq!(
            kept,
            json!({"metadata": {"name": "c", "annotations": {"a": "b"}}, "spec": {"volumeName": "pv"}})
        );
        reprovisioned.add("pv");
        let mut renewed = claim;
        unbind(&mut renewed, &reprovisioned);
        assert_eq!(renewed["spec"], json!({}));
    }
}

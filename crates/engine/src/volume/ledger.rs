//! What became of each volume of a backup: the source of `-volumeinfo.json.gz` (backup-format §3.7).
//!
//! Pods, claims and volumes come along in any order, so the decisions are taken at the end, when all of them are known.

use std::collections::{BTreeMap, BTreeSet};

use bowline_api::artifact::{BackupVolumeInfo, PvInfo};

use super::facts;
use super::method::{saves_files, takes_snapshot};
use super::pod::{PodView, PodVolume};
use crate::object::{Head, Object, ObjectError};
use crate::select::policy::volume::{Action, ClaimFacts, VolumeFacts, VolumePolicy, action_for};

/// Namespace and name of a claim.
type ClaimKey = (String, String);

/// Volumes, claims and pod volumes that are in the archive.
#[derive(Debug, Default)]
pub struct VolumeLedger {
    claims: BTreeMap<ClaimKey, Claim>,
    volumes: BTreeMap<String, Volume>,
    pods: Vec<PodEntry>,
}

#[derive(Debug)]
struct Claim {
    volume: String,
    facts: ClaimFacts,
}

#[derive(Debug)]
struct Volume {
    claim: Option<ClaimKey>,
    reclaim_policy: String,
    labels: Option<BTreeMap<String, String>>,
    facts: VolumeFacts,
}

/// A volume of a pod that has a claim, or that might be saved file by file.
#[derive(Debug)]
struct PodEntry {
    pod: Head,
    volume: PodVolume,
    mounted: bool,
}

/// What a backup's spec and policies say about volumes.
#[derive(Clone, Copy, Debug, Default)]
pub struct VolumeRules<'a> {
    /// `snapshotVolumes`.
    pub snapshot_volumes: Option<bool>,
    /// `defaultVolumesToFsBackup`.
    pub files_by_default: bool,
    /// Volume policies.
    pub policies: &'a [VolumePolicy],
}

/// The end of the ledger.
#[derive(Debug, Default)]
pub struct VolumeReport {
    /// One info a persistent volume, sorted by name.
    pub infos: Vec<BackupVolumeInfo>,
    /// Namespace, pod and volume whose files were to be saved.
    pub files_wanted: Vec<(String, String, String)>,
    /// Persistent volumes of which a snapshot was explicitly asked for.
    pub snapshots_wanted: Vec<String>,
}

impl VolumeLedger {
    /// A pod is in the archive. With neither policies nor a default nor an annotation only its claims matter.
    pub fn pod_stored(&mut self, pod: &Object, rules: &VolumeRules<'_>) -> Result<(), ObjectError> {
        let view = PodView::of(pod)?;
        let mounted = view.mounted();
        let all = rules.files_by_default
            || !rules.policies.is_empty()
            || pod.head().annotation(bowline_api::label::BACKUP_VOLUMES).is_some();
        for volume in view.volumes().iter().filter(|volume| all || volume.claim().is_some()) {
            let head = Head {
                name: pod.head().name.clone(),
                namespace: pod.head().namespace.clone(),
                annotations: volume_annotations(pod.head()),
                ..Head::default()
            };
            let mounted = mounted.contains(volume.name.as_str());
            self.pods.push(PodEntry { pod: head, volume: volume.clone(), mounted });
        }
        Ok(())
    }

    /// A claim is in the archive.
    pub fn claim_stored(&mut self, claim: &Object) -> Result<(), ObjectError> {
        let volume = claim.view::<ClaimView>()?.spec.volume_name.unwrap_or_default();
        self.claims.insert(key(claim.head()), Claim { volume, facts: facts::of_claim(claim)? });
        Ok(())
    }

    /// A persistent volume is in the archive.
    pub fn volume_stored(&mut self, volume: &Object) -> Result<(), ObjectError> {
        let spec = volume.view::<VolumeView>()?.spec;
        let labels = &volume.head().labels;
        let entry = Volume {
            claim: spec.claim_ref.map(|claim| (claim.namespace, claim.name)),
            reclaim_policy: spec.persistent_volume_reclaim_policy,
            labels: (!labels.is_empty()).then(|| labels.clone()),
            facts: facts::of_volume(volume)?,
        };
        self.volumes.insert(volume.head().name.clone(), entry);
        Ok(())
    }

    /// Decides about every volume. No way of saving data exists in this engine yet, so what is wanted is reported as wanted.
    pub fn report(self, rules: &VolumeRules<'_>) -> VolumeReport {
        let mut report = VolumeReport::default();
        let mut by_claim: BTreeMap<ClaimKey, Vec<&PodEntry>> = BTreeMap::new();
        let mut by_files = BTreeSet::new();
        for entry in &self.pods {
            let claim = entry.claim();
            let action = self.pod_volume_action(entry, rules);
            let mounted = entry.mounted.then_some(entry.volume.name.as_str()).into_iter().collect();
            if saves_files(&entry.volume, &entry.pod, &mounted, action, rules.files_by_default) {
                let namespace = entry.pod.namespace.clone().unwrap_or_default();
                report.files_wanted.push((namespace, entry.pod.name.clone(), entry.volume.name.clone()));
                by_files.extend(claim);
            } else if let Some(claim) = claim {
                by_claim.entry(claim).or_default().push(entry);
            }
        }
        let by_volume: BTreeMap<&str, &ClaimKey> =
            self.claims.iter().map(|(key, claim)| (claim.volume.as_str(), key)).collect();
        for (name, volume) in &self.volumes {
            let claim = by_volume.get(name.as_str()).copied();
            let files = claim.is_some_and(|claim| by_files.contains(claim));
            let action = action_for(rules.policies, &self.facts_of(volume, claim));
            let snapshot = takes_snapshot(action, files, rules.snapshot_volumes);
            if snapshot && (action.is_some() || rules.snapshot_volumes == Some(true)) {
                report.snapshots_wanted.push(name.clone());
            }
            // Several pods may share a claim: the same one is named whatever order they came in.
            let pods = claim.and_then(|claim| by_claim.get(claim)).into_iter().flatten();
            let pod = pods.map(|entry| entry.pod.name.as_str()).min();
            report.infos.push(volume.info(name, claim, &reason(files, pod, snapshot)));
        }
        report.files_wanted.sort();
        report
    }

    fn facts_of(&self, volume: &Volume, claim: Option<&ClaimKey>) -> VolumeFacts {
        let claim = claim.and_then(|key| self.claims.get(key)).map(|claim| claim.facts.clone());
        VolumeFacts { claim, ..volume.facts.clone() }
    }

    fn pod_volume_action<'p>(&self, entry: &PodEntry, rules: &VolumeRules<'p>) -> Option<&'p Action> {
        let facts = match entry.claim() {
            None => facts::of_pod_volume(&entry.volume),
            Some(key) => {
                let claim = self.claims.get(&key);
                match claim.and_then(|claim| self.volumes.get(&claim.volume)) {
                    Some(volume) => self.facts_of(volume, Some(&key)),
                    None => VolumeFacts {
                        claim: claim.map(|claim| claim.facts.clone()),
                        ..VolumeFacts::default()
                    },
                }
            }
        };
        action_for(rules.policies, &facts)
    }
}

impl PodEntry {
    fn claim(&self) -> Option<ClaimKey> {
        Some((self.pod.namespace.clone().unwrap_or_default(), self.volume.claim()?.to_owned()))
    }
}

impl Volume {
    fn info(&self, name: &str, claim: Option<&ClaimKey>, reason: &str) -> BackupVolumeInfo {
        let (pvc_namespace, pvc_name) = claim.or(self.claim.as_ref()).cloned().unwrap_or_default();
        BackupVolumeInfo {
            pvc_name,
            pvc_namespace,
            pv_name: name.to_owned(),
            skipped: true,
            skipped_reason: reason.to_owned(),
            pv_info: Some(PvInfo {
                reclaim_policy: self.reclaim_policy.clone(),
                labels: self.labels.clone(),
            }),
            ..BackupVolumeInfo::default()
        }
    }
}

/// `<approach>: <why>;` for each way that did not apply, in Velero's words where it has any. "Opted out due to annotation" is said there
/// also when saving files is simply not the default.
fn reason(files: bool, pod: Option<&str>, snapshot: bool) -> String {
    let mut text = String::new();
    if files {
        text.push_str("podvolume: there is nothing to save files with;");
    } else if let Some(pod) = pod {
        text = format!("podvolume: opted out due to annotation in pod {pod};");
    }
    text.push_str(if snapshot {
        "volumeSnapshot: no applicable volumesnapshotter found;"
    } else {
        "volumeSnapshot: not satisfy the criteria for VolumePolicy or the legacy snapshot way;"
    });
    text
}

fn key(head: &Head) -> ClaimKey {
    (head.namespace.clone().unwrap_or_default(), head.name.clone())
}

/// The annotations that choose volumes; the others need not be kept.
fn volume_annotations(pod: &Head) -> BTreeMap<String, String> {
    let names = [bowline_api::label::BACKUP_VOLUMES, bowline_api::label::BACKUP_VOLUMES_EXCLUDES];
    names.iter().filter_map(|name| Some(((*name).to_owned(), pod.annotation(name)?.to_owned()))).collect()
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct ClaimView {
    spec: ClaimSpec,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimSpec {
    volume_name: Option<String>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct VolumeView {
    spec: VolumeSpec,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeSpec {
    claim_ref: Option<ClaimRef>,
    persistent_volume_reclaim_policy: String,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct ClaimRef {
    namespace: String,
    name: String,
}

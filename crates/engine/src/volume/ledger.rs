//! What became of each volume of a backup: the source of `-volumeinfo.json.gz` (backup-format §3.7).

use std::collections::BTreeMap;

use bowline_api::artifact::{BackupVolumeInfo, PvInfo};

/// A way to save a volume that did not apply, in the spelling of skip reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Approach {
    /// Saving files through a pod.
    PodVolume,
    /// A native snapshot.
    VolumeSnapshot,
}

impl Approach {
    fn as_str(self) -> &'static str {
        match self {
            Self::PodVolume => "podvolume",
            Self::VolumeSnapshot => "volumeSnapshot",
        }
    }
}

/// Namespace and name of a claim.
pub type ClaimKey = (String, String);

/// Volumes, claims and reasons, in the order in which they come along.
#[derive(Debug, Default)]
pub struct VolumeLedger {
    claims: BTreeMap<ClaimKey, String>,
    volumes: BTreeMap<String, Volume>,
    left_out: BTreeMap<ClaimKey, String>,
}

/// A persistent volume that is in the archive.
#[derive(Debug)]
pub struct Volume {
    /// The claim that it is bound to.
    pub claim: Option<ClaimKey>,
    /// What happens to it when its claim goes.
    pub reclaim_policy: String,
    /// Its labels; `None` without any.
    pub labels: Option<BTreeMap<String, String>>,
    /// Why there is no snapshot of it.
    pub no_snapshot: String,
}

impl VolumeLedger {
    /// A claim is in the archive; `volume` is the volume that it is bound to.
    pub fn claim_stored(&mut self, claim: ClaimKey, volume: String) {
        self.claims.insert(claim, volume);
    }

    /// A persistent volume is in the archive.
    pub fn volume_stored(&mut self, name: String, volume: Volume) {
        self.volumes.insert(name, volume);
    }

    /// A pod is in the archive whose volume with this claim is not saved file by file.
    pub fn left_out_by_pod(&mut self, claim: ClaimKey, pod: &str) {
        let named = self.left_out.entry(claim).or_insert_with(|| pod.to_owned());
        // Several pods may share a claim: the same one is named whatever order they come in.
        if pod < named.as_str() {
            pod.clone_into(named);
        }
    }

    /// The infos, sorted by volume.
    pub fn infos(self) -> Vec<BackupVolumeInfo> {
        let by_volume: BTreeMap<&String, &ClaimKey> =
            self.claims.iter().map(|(claim, volume)| (volume, claim)).collect();
        let info = |(name, volume): (&String, &Volume)| {
            let claim = volume.claim.as_ref().or(by_volume.get(name).copied());
            let pod = by_volume.get(name).and_then(|claim| self.left_out.get(*claim));
            let mut reasons = BTreeMap::from([(Approach::VolumeSnapshot, volume.no_snapshot.clone())]);
            if let Some(pod) = pod {
                reasons.insert(Approach::PodVolume, format!("opted out due to annotation in pod {pod}"));
            }
            let (pvc_namespace, pvc_name) = claim.cloned().unwrap_or_default();
            BackupVolumeInfo {
                pvc_name,
                pvc_namespace,
                pv_name: name.clone(),
                skipped: true,
                skipped_reason: spell(&reasons),
                pv_info: Some(PvInfo {
                    reclaim_policy: volume.reclaim_policy.clone(),
                    labels: volume.labels.clone(),
                }),
                ..BackupVolumeInfo::default()
            }
        };
        self.volumes.iter().map(info).collect()
    }
}

/// `<approach>: <why>;` for each.
fn spell(reasons: &BTreeMap<Approach, String>) -> String {
    reasons.iter().fold(String::new(), |text, (approach, why)| text + approach.as_str() + ": " + why + ";")
}

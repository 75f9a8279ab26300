//! Volume policies: the first whose conditions all hold says what happens to the data of a volume (behaviour §3.5).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Volume types that a condition may name, in Velero's spelling (the first one included).
pub(super) const VOLUME_TYPES: &[&str] = &[
    "awsAzureDisk",
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cinder",
    "cephfs",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flocker",
    "flexVolume",
    "gitRepo",
    "glusterfs",
    "gcePersistentDisk",
    "hostPath",
    "image",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageOS",
    "vsphereVolume",
];

/// Conditions and what happens to the volumes that meet them.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumePolicy {
    /// All of these must hold.
    pub conditions: Conditions,
    /// What happens then.
    pub action: Action,
}

/// What happens to the data of a volume. The parameters are for whoever carries the action out.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It is not saved.
    Skip,
    /// It is saved by a snapshot.
    Snapshot(BTreeMap<String, Value>),
    /// It is saved file by file.
    FsBackup(BTreeMap<String, Value>),
    /// A third party saves it.
    Custom(BTreeMap<String, Value>),
}

/// Conditions on a volume; what is `None` holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Range of the volume's size.
    pub capacity: Option<Capacity>,
    /// Storage classes of which one must be its own.
    pub storage_class: Option<Vec<String>>,
    /// It must be an NFS volume like this.
    pub nfs: Option<NfsCondition>,
    /// It must be a CSI volume like this.
    pub csi: Option<CsiCondition>,
    /// Types of which one must be its own.
    pub volume_types: Option<Vec<String>>,
    /// Labels that its claim must have.
    pub pvc_labels: Option<BTreeMap<String, String>>,
    /// Phases of which one must be its claim's.
    pub pvc_phase: Option<Vec<String>>,
    /// Volume mode that its claim must have.
    pub pvc_volume_mode: Option<String>,
    /// Access modes that its claim must have, exactly these.
    pub pvc_access_modes: Option<BTreeSet<String>>,
}

/// NFS server and path; empty ones fit any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NfsCondition {
    /// Server.
    pub server: String,
    /// Exported path.
    pub path: String,
}

/// CSI driver and attributes; an empty driver fits any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsiCondition {
    /// Driver.
    pub driver: String,
    /// Attributes that the volume must have.
    pub attributes: BTreeMap<String, String>,
}

/// A range of sizes in bytes, both ends included; open at the top when `high` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    low: u128,
    high: Option<u128>,
}

/// What conditions look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeFacts {
    /// Size in bytes; 0 when nobody says.
    pub capacity: u128,
    /// Storage class; empty without one.
    pub storage_class: String,
    /// Type, as conditions name it, such as `csi` or `emptyDir`.
    pub volume_type: String,
    /// Server and path of an NFS volume.
    pub nfs: Option<(String, String)>,
    /// Driver and attributes of a CSI volume.
    pub csi: Option<(String, BTreeMap<String, String>)>,
    /// Its claim, where it has one.
    pub claim: Option<ClaimFacts>,
}

/// What conditions look at in a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimFacts {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Phase, such as `Bound`.
    pub phase: String,
    /// Volume mode, such as `Filesystem`.
    pub volume_mode: String,
    /// Access modes.
    pub access_modes: BTreeSet<String>,
}

type Check = fn(&Conditions, &VolumeFacts) -> bool;

const CHECKS: &[Check] = &[
    |conditions, volume| conditions.capacity.is_none_or(|range| range.contains(volume.capacity)),
    storage_class,
    |conditions, volume| holds(conditions.volume_types.as_ref(), &volume.volume_type),
    nfs,
    csi,
    claim,
];

impl Conditions {
    /// Whether a volume meets all conditions.
    pub fn hold(&self, volume: &VolumeFacts) -> bool {
        CHECKS.iter().all(|check| check(self, volume))
    }
}

/// The action for a volume: that of the first policy it meets.
pub fn action_for<'p>(policies: &'p [VolumePolicy], volume: &VolumeFacts) -> Option<&'p Action> {
    policies.iter().find(|policy| policy.conditions.hold(volume)).map(|policy| &policy.action)
}

fn holds(wanted: Option<&Vec<String>>, own: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.iter().any(|one| one == own))
}

/// A volume without a class has none of the wanted ones, not even an empty one.
fn storage_class(conditions: &Conditions, volume: &VolumeFacts) -> bool {
    let own = &volume.storage_class;
    conditions.storage_class.as_ref().is_none_or(|wanted| !own.is_empty() && wanted.contains(own))
}

fn nfs(conditions: &Conditions, volume: &VolumeFacts) -> bool {
    let fits = |wanted: &str, own: &str| wanted.is_empty() || wanted == own;
    conditions.nfs.as_ref().is_none_or(|wanted| {
        volume
            .nfs
            .as_ref()
            .is_some_and(|(server, path)| fits(&wanted.server, server) && fits(&wanted.path, path))
    })
}

fn csi(conditions: &Conditions, volume: &VolumeFacts) -> bool {
    conditions.csi.as_ref().is_none_or(|wanted| {
        volume.csi.as_ref().is_some_and(|(driver, attributes)| {
            (wanted.driver.is_empty() || wanted.driver == *driver)
                && wanted.attributes.iter().all(|(key, value)| attributes.get(key) == Some(value))
        })
    })
}

fn claim(conditions: &Conditions, volume: &VolumeFacts) -> bool {
    let asked = conditions.pvc_labels.is_some()
        || conditions.pvc_phase.is_some()
        || conditions.pvc_volume_mode.is_some()
        || conditions.pvc_access_modes.is_some();
    if !asked {
        return true;
    }
    volume.claim.as_ref().is_some_and(|claim| {
        let labels = conditions.pvc_labels.iter().flatten();
        labels.into_iter().all(|(key, value)| claim.labels.get(key) == Some(value))
            && holds(conditions.pvc_phase.as_ref(), &claim.phase)
            && conditions.pvc_volume_mode.as_ref().is_none_or(|mode| *mode == claim.volume_mode)
            && conditions.pvc_access_modes.as_ref().is_none_or(|modes| *modes == claim.access_modes)
    })
}

impl Capacity {
    /// Reads `low,high`, two quantities of which either may be left out or 0. No text is no limit. The error is the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self { low: 0, high: None });
        }
        let Some((low, high)) = text.split_once(',') else {
            return Err(format!("{text:?} is not a range, such as \"10Gi,100Gi\" or \",5Gi\""));
        };
        let bytes =
            |text: &str| quantity(text).ok_or_else(|| format!("{text:?} is not a quantity, such as 10Gi"));
        let (low, high) = (low.trim(), high.trim());
        let range = Self {
            low: if low.is_empty() { 0 } else { bytes(low)? },
            high: if high.is_empty() { None } else { Some(bytes(high)?).filter(|high| *high > 0) },
        };
        if range.high.is_some_and(|high| high < range.low) {
            return Err(format!("{text:?} ends before it begins"));
        }
        Ok(range)
    }

    fn contains(self, bytes: u128) -> bool {
        bytes >= self.low && self.high.is_none_or(|high| bytes <= high)
    }
}

/// A Kubernetes quantity as whole units, rounded up; `None` for text that is none. Enough for sizes: exponents go to 10^30.
pub fn quantity(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let (multiplier, divisor) = scale(suffix)?;
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = divisor.checked_mul(10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    Some(digits.checked_mul(multiplier)?.div_ceil(divisor))
}

/// Multiplier and divisor of a suffix.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let decimal = ["k", "M", "G", "T", "P", "E"];
    if suffix.is_empty() {
        return Some((1, 1));
    }
    if let Some(index) = binary.iter().position(|known| *known == suffix) {
        return Some((1 << (10 * (index + 1)), 1));
    }
    if let Some(index) = decimal.iter().position(|known| *known == suffix) {
        return Some((1000u128.pow(u32::try_from(index).ok()? + 1), 1));
    }
    match suffix {
        "m" => return Some((1, 1000)),
        "u" => return Some((1, 1_000_000)),
        "n" => return Some((1, 1_000_000_000)),
        _ => {}
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = 10u128.checked_pow(exponent.unsigned_abs())?;
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

#[cfg(test)]
mod tests;

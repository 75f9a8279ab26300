//! The volumes of a backup or restore, by the way in which their data was saved.

use std::collections::BTreeMap;

use bowline_api::artifact::{
    BackupVolumeInfo, CsiSnapshotInfo, NativeSnapshotInfo, PodVolumeInfo, RestoreVolumeInfo,
    SnapshotDataMovementInfo, VolumeMethod,
};

use super::Text;
use crate::download::Artifact;

pub(super) const NO_DETAILS: &str = "specify --details for more information";
pub(super) const NONE_INCLUDED: &str = "<none included>";

/// The section `Backup Volumes`.
pub(super) fn describe_backup(text: &mut Text, volumes: &Artifact<Vec<BackupVolumeInfo>>, details: bool) {
    text.section("Backup Volumes", |text| match volumes {
        Artifact::Unreadable(why) => text.line(format!("<they could not be read: {why}>")),
        Artifact::Absent => backup_volumes(text, &[], details),
        Artifact::Here(volumes) => backup_volumes(text, volumes, details),
    });
}

fn backup_volumes(text: &mut Text, volumes: &[BackupVolumeInfo], details: bool) {
    native_snapshots(text, &saved_by(volumes, &VolumeMethod::NativeSnapshot), details);
    text.gap();
    csi_snapshots(text, &saved_by(volumes, &VolumeMethod::CsiSnapshot), details);
    text.gap();
    pod_volumes(text, "Pod Volume Backups", &saved_in_pods(volumes), details);
    skipped(text, volumes, details);
}

/// The volumes whose data was saved in one way.
pub(super) fn saved_by<'a>(
    volumes: &'a [BackupVolumeInfo],
    method: &VolumeMethod,
) -> Vec<&'a BackupVolumeInfo> {
    let fits = |volume: &&BackupVolumeInfo| volume.backup_method.as_ref() == Some(method) && !volume.skipped;
    volumes.iter().filter(fits).collect()
}

/// The volumes of pods that were saved file by file.
pub(super) fn saved_in_pods(volumes: &[BackupVolumeInfo]) -> Vec<&PodVolumeInfo> {
    let saved = saved_by(volumes, &VolumeMethod::PodVolumeBackup);
    saved.into_iter().filter_map(|volume| volume.pvb_info.as_ref()).collect()
}

fn native_snapshots(text: &mut Text, volumes: &[&BackupVolumeInfo], details: bool) {
    if volumes.is_empty() {
        return text.line(format!("Velero-Native Snapshots: {NONE_INCLUDED}"));
    }
    if !details {
        return text.line(format!("Velero-Native Snapshots: {} ({NO_DETAILS})", volumes.len()));
    }
    text.section("Velero-Native Snapshots", |text| {
        for volume in volumes {
            text.section(&volume.pv_name, |text| {
                native(text, volume.native_snapshot_info.as_ref());
                result(text, volume.result.as_ref().map(ToString::to_string));
            });
        }
    });
}

fn native(text: &mut Text, info: Option<&NativeSnapshotInfo>) {
    let Some(info) = info else { return };
    text.line(format!("Snapshot ID: {}", info.snapshot_handle));
    text.line(format!("Type: {}", info.volume_type));
    text.line(format!("Availability Zone: {}", info.volume_az));
    text.line(format!("IOPS: {}", info.iops));
}

fn csi_snapshots(text: &mut Text, volumes: &[&BackupVolumeInfo], details: bool) {
    if volumes.is_empty() {
        return text.line(format!("CSI Snapshots: {NONE_INCLUDED}"));
    }
    text.section("CSI Snapshots", |text| {
        for volume in volumes {
            text.section(&format!("{}/{}", volume.pvc_namespace, volume.pvc_name), |text| {
                let kind = if volume.snapshot_data_moved { "Data Movement" } else { "Snapshot" };
                if !details {
                    return text.line(format!("{kind}: included, {NO_DETAILS}"));
                }
                text.section(kind, |text| {
                    if volume.snapshot_data_moved {
                        data_movement(text, volume.snapshot_data_movement_info.as_ref());
                    } else {
                        csi(text, volume.csi_snapshot_info.as_ref());
                    }
                    result(text, volume.result.as_ref().map(ToString::to_string));
                });
            });
        }
    });
}

fn data_movement(text: &mut Text, info: Option<&SnapshotDataMovementInfo>) {
    let Some(info) = info else { return };
    text.line(format!("Operation ID: {}", info.operation_id));
    text.line(format!("Data Mover: {}", info.data_mover));
    text.line(format!("Uploader Type: {}", info.uploader_type));
    text.line(format!("Moved data Size (bytes): {}", info.size));
}

fn csi(text: &mut Text, info: Option<&CsiSnapshotInfo>) {
    let Some(info) = info else { return };
    text.line(format!("Operation ID: {}", info.operation_id));
    text.line(format!("Snapshot Content Name: {}", info.vsc_name));
    text.line(format!("Storage Snapshot ID: {}", info.snapshot_handle));
    text.line(format!("Snapshot Size (bytes): {}", info.size));
    text.line(format!("CSI Driver: {}", info.driver));
}

fn result(text: &mut Text, result: Option<String>) {
    if let Some(result) = result {
        text.line(format!("Result: {result}"));
    }
}

/// Phase, pod and its volumes.
pub(super) fn by_phase<'a>(
    volumes: &[&'a PodVolumeInfo],
) -> BTreeMap<&'a str, BTreeMap<String, Vec<&'a str>>> {
    let mut phases: BTreeMap<&str, BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    for volume in volumes {
        let pod = format!("{}/{}", volume.pod_namespace, volume.pod_name);
        phases.entry(&volume.phase).or_default().entry(pod).or_default().push(&volume.volume_name);
    }
    phases
}

/// Volumes of pods by phase: counts, or with details the pods.
fn pod_volumes(text: &mut Text, title: &str, volumes: &[&PodVolumeInfo], details: bool) {
    let Some(first) = volumes.first() else { return text.line(format!("{title}: {NONE_INCLUDED}")) };
    let phases = by_phase(volumes);
    let more = if details { String::new() } else { format!(" ({NO_DETAILS})") };
    text.section(&format!("{title} - {}{more}", first.uploader_type), |text| {
        for (phase, pods) in phases {
            if details {
                text.section(phase, |text| {
                    for (pod, volumes) in &pods {
                        text.line(format!("{pod}: {}", volumes.join(", ")));
                    }
                });
            } else {
                text.field(phase, pods.values().map(Vec::len).sum::<usize>().to_string());
            }
        }
    });
}

/// Volumes that were left out: with the reason, because that is the question when data is missing.
fn skipped(text: &mut Text, volumes: &[BackupVolumeInfo], details: bool) {
    let skipped: Vec<&BackupVolumeInfo> = volumes.iter().filter(|volume| volume.skipped).collect();
    if skipped.is_empty() {
        return;
    }
    text.gap();
    if !details {
        return text.line(format!("Skipped: {} ({NO_DETAILS})", skipped.len()));
    }
    text.section("Skipped", |text| {
        for volume in skipped {
            let claim = format!("{}/{}", volume.pvc_namespace, volume.pvc_name);
            text.line(format!("{} ({claim}): {}", volume.pv_name, volume.skipped_reason));
        }
    });
}

/// The volumes of a restore.
pub(super) fn describe_restore(text: &mut Text, volumes: &Artifact<Vec<RestoreVolumeInfo>>, details: bool) {
    let none = Vec::new();
    let volumes = match volumes {
        Artifact::Unreadable(why) => {
            text.line(format!("Restored volumes: <they could not be read: {why}>"));
            return text.gap();
        }
        Artifact::Absent => &none,
        Artifact::Here(volumes) => volumes,
    };
    let pods: Vec<&PodVolumeInfo> = volumes.iter().filter_map(|volume| volume.pvr_info.as_ref()).collect();
    if !pods.is_empty() {
        pod_volumes(text, "Pod Volume Restores", &pods, details);
        text.gap();
    }
    let csi: Vec<&RestoreVolumeInfo> =
        volumes.iter().filter(|volume| volume.restore_method == Some(VolumeMethod::CsiSnapshot)).collect();
    restored_snapshots(text, &csi, details);
    text.gap();
}

fn restored_snapshots(text: &mut Text, volumes: &[&RestoreVolumeInfo], details: bool) {
    if volumes.is_empty() {
        return text.line(format!("CSI Snapshot Restores: {NONE_INCLUDED}"));
    }
    text.section("CSI Snapshot Restores", |text| {
        for volume in volumes {
            text.section(&format!("{}/{}", volume.pvc_namespace, volume.pvc_name), |text| {
                let kind = if volume.snapshot_data_moved { "Data Movement" } else { "Snapshot" };
                if !details {
                    return text.line(format!("{kind}: {NO_DETAILS}"));
                }
                text.section(kind, |text| {
                    data_movement(text, volume.snapshot_data_movement_info.as_ref());
                    csi(text, volume.csi_snapshot_info.as_ref());
                });
            });
        }
    });
}

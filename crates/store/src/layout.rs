//! Every key of a backup store, and nothing else. All keys are relative to the location's prefix; they are Velero's,
//! to the letter, but for [`BackupArtifact::Checksums`], which is ours and which Velero ignores and deletes with the
//! rest of the directory.

use bowline_api::request::{DownloadTarget, DownloadTargetKind};

use crate::error::{Error, ErrorKind, Result};

/// The directories that may lie directly under the prefix. `metadata` and `plugins` are of old Veleros.
pub const TOP_LEVEL: [&str; 6] = ["backups", "restores", "restic", "metadata", "plugins", "kopia"];

/// Where all backups are.
pub const BACKUPS: &str = "backups/";
/// Where the results of all restores are.
pub const RESTORES: &str = "restores/";

/// The directory of a backup, with `/` at its end.
pub fn backup_directory(backup: &str) -> String {
    format!("{BACKUPS}{backup}/")
}

/// The directory of a restore, with `/` at its end.
pub fn restore_directory(restore: &str) -> String {
    format!("{RESTORES}{restore}/")
}

/// The directory of a namespace's Kopia repository, with `/` at its end.
pub fn kopia_directory(namespace: &str) -> String {
    format!("kopia/{namespace}/")
}

/// The directory of a namespace's restic repository, with `/` at its end.
pub fn restic_directory(namespace: &str) -> String {
    format!("restic/{namespace}/")
}

/// How the bytes of an artifact are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// JSON as it is.
    Json,
    /// Gzipped JSON.
    GzipJson,
    /// Gzipped text.
    GzipText,
    /// A gzipped tar archive.
    GzipTar,
}

impl Encoding {
    /// The media type to store it with.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::GzipJson | Self::GzipText | Self::GzipTar => "application/gzip",
        }
    }
}

/// The files of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackupArtifact {
    /// `velero-backup.json`: the Backup itself. A backup exists when, and only when, this file does.
    Metadata,
    /// The archive of all items.
    Contents,
    /// The log.
    Log,
    /// The PodVolumeBackups.
    PodVolumeBackups,
    /// Native snapshots.
    VolumeSnapshots,
    /// Operations that went on after an item was saved.
    ItemOperations,
    /// The names of all items.
    ResourceList,
    /// Errors and warnings.
    Results,
    /// What was done for each volume.
    VolumeInfo,
    /// VolumeSnapshots of the CSI API; only in backups of old Veleros.
    CsiVolumeSnapshots,
    /// VolumeSnapshotContents of the CSI API; only in backups of old Veleros.
    CsiVolumeSnapshotContents,
    /// VolumeSnapshotClasses of the CSI API; only in backups of old Veleros.
    CsiVolumeSnapshotClasses,
    /// Size and SHA-256 of the other files. Bowline's own.
    Checksums,
}

impl BackupArtifact {
    /// All files that a backup can have.
    pub const ALL: [Self; 13] = [
        Self::Metadata,
        Self::Contents,
        Self::Log,
        Self::PodVolumeBackups,
        Self::VolumeSnapshots,
        Self::ItemOperations,
        Self::ResourceList,
        Self::Results,
        Self::VolumeInfo,
        Self::CsiVolumeSnapshots,
        Self::CsiVolumeSnapshotContents,
        Self::CsiVolumeSnapshotClasses,
        Self::Checksums,
    ];

    /// The file's name in the backup's directory.
    pub fn file_name(self, backup: &str) -> String {
        let ending = match self {
            Self::Metadata => return "velero-backup.json".to_owned(),
            Self::Contents => ".tar.gz",
            Self::Log => "-logs.gz",
            Self::PodVolumeBackups => "-podvolumebackups.json.gz",
            Self::VolumeSnapshots => "-volumesnapshots.json.gz",
            Self::ItemOperations => "-itemoperations.json.gz",
            Self::ResourceList => "-resource-list.json.gz",
            Self::Results => "-results.gz",
            Self::VolumeInfo => "-volumeinfo.json.gz",
            Self::CsiVolumeSnapshots => "-csi-volumesnapshots.json.gz",
            Self::CsiVolumeSnapshotContents => "-csi-volumesnapshotcontents.json.gz",
            Self::CsiVolumeSnapshotClasses => "-csi-volumesnapshotclasses.json.gz",
            Self::Checksums => "-checksums.json",
        };
        format!("{backup}{ending}")
    }

    /// The file's key.
    pub fn key(self, backup: &str) -> String {
        format!("{BACKUPS}{backup}/{}", self.file_name(backup))
    }

    /// How the file is to be read.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Metadata | Self::Checksums => Encoding::Json,
            Self::Contents => Encoding::GzipTar,
            Self::Log => Encoding::GzipText,
            _ => Encoding::GzipJson,
        }
    }
}

/// The files of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestoreArtifact {
    /// The log.
    Log,
    /// Errors and warnings.
    Results,
    /// The names of all items, and what was done with each.
    ResourceList,
    /// Operations that went on after an item was restored.
    ItemOperations,
    /// What was done for each volume.
    VolumeInfo,
}

impl RestoreArtifact {
    /// All files that a restore can have.
    pub const ALL: [Self; 5] =
        [Self::Log, Self::Results, Self::ResourceList, Self::ItemOperations, Self::VolumeInfo];

    /// The file's key. All but one repeat `restore-` in front of the name.
    pub fn key(self, restore: &str) -> String {
        let file = match self {
            Self::Log => format!("restore-{restore}-logs.gz"),
            Self::Results => format!("restore-{restore}-results.gz"),
            Self::ResourceList => format!("restore-{restore}-resource-list.json.gz"),
            Self::ItemOperations => format!("restore-{restore}-itemoperations.json.gz"),
            Self::VolumeInfo => format!("{restore}-volumeinfo.json.gz"),
        };
        format!("{RESTORES}{restore}/{file}")
    }

    /// How the file is to be read.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Log => Encoding::GzipText,
            _ => Encoding::GzipJson,
        }
    }
}

/// The key of what a DownloadRequest asks for; `NotSupported` for a kind that is not known.
pub fn download_key(target: &DownloadTarget) -> Result<String> {
    let name = target.name.as_str();
    let artifact = match &target.kind {
        DownloadTargetKind::BackupLog => BackupArtifact::Log,
        DownloadTargetKind::BackupContents => BackupArtifact::Contents,
        DownloadTargetKind::BackupVolumeSnapshots => BackupArtifact::VolumeSnapshots,
        DownloadTargetKind::BackupItemOperations => BackupArtifact::ItemOperations,
        DownloadTargetKind::BackupResourceList => BackupArtifact::ResourceList,
        DownloadTargetKind::BackupResults => BackupArtifact::Results,
        DownloadTargetKind::BackupVolumeInfos => BackupArtifact::VolumeInfo,
        DownloadTargetKind::CSIBackupVolumeSnapshots => BackupArtifact::CsiVolumeSnapshots,
        DownloadTargetKind::CSIBackupVolumeSnapshotContents => BackupArtifact::CsiVolumeSnapshotContents,
        DownloadTargetKind::RestoreLog => return Ok(RestoreArtifact::Log.key(name)),
        DownloadTargetKind::RestoreResults => return Ok(RestoreArtifact::Results.key(name)),
        DownloadTargetKind::RestoreResourceList => return Ok(RestoreArtifact::ResourceList.key(name)),
        DownloadTargetKind::RestoreItemOperations => return Ok(RestoreArtifact::ItemOperations.key(name)),
        DownloadTargetKind::RestoreVolumeInfo => return Ok(RestoreArtifact::VolumeInfo.key(name)),
        DownloadTargetKind::Other(kind) => {
            let action = format!("find the file of kind {kind:?} of {name}");
            return Err(Error::new(ErrorKind::NotSupported, action));
        }
    };
    Ok(artifact.key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_velero_writes() {
        let keys = BackupArtifact::ALL.map(|artifact| artifact.key("b"));
        let expected = [
            "velero-backup.json",
            "b.tar.gz",
            "b-logs.gz",
            "b-podvolumebackups.json.gz",
            "b-volumesnapshots.json.gz",
            "b-itemoperations.json.gz",
            "b-resource-list.json.gz",
            "b-results.gz",
            "b-volumeinfo.json.gz",
            "b-csi-volumesnapshots.json.gz",
            "b-csi-volumesnapshotcontents.json.gz",
            "b-csi-volumesnapshotclasses.json.gz",
            "b-checksums.json",
        ];
        assert_eq!(keys, expected.map(|file| format!("backups/b/{file}")));
        assert_eq!(RestoreArtifact::Results.key("r"), "restores/r/restore-r-results.gz");
        assert_eq!(RestoreArtifact::VolumeInfo.key("r"), "restores/r/r-volumeinfo.json.gz");
    }

    #[test]
    fn downloads_lead_to_the_same_keys() {
        let key = |kind| download_key(&DownloadTarget { kind, name: "x".into() });
        assert_eq!(key(DownloadTargetKind::BackupContents).unwrap(), "backups/x/x.tar.gz");
        assert_eq!(key(DownloadTargetKind::RestoreLog).unwrap(), "restores/x/restore-x-logs.gz");
        let error = key(DownloadTargetKind::Other("Nonsense".into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
    }
}

//! Labels, annotations and finalizers, all spelled as Velero spells them (release 1.18 unless noted).

use sha2::{Digest, Sha256};

/// Longest value that Kubernetes allows for a label, in bytes.
pub const MAX_VALUE_LENGTH: usize = 63;

/// The value of a label that stands for a name: the name itself, or, when that is too long, its first 57 bytes and
/// the first 6 hex digits of its SHA-256.
pub fn valid_value(name: &str) -> String {
    const HASH_LENGTH: usize = 6;
    if name.len() <= MAX_VALUE_LENGTH {
        return name.to_owned();
    }
    let digest = Sha256::digest(name.as_bytes());
    let hash = digest[..HASH_LENGTH / 2].iter().map(|byte| format!("{byte:02x}"));
    let head = &name[..name.floor_char_boundary(MAX_VALUE_LENGTH - HASH_LENGTH)];
    std::iter::once(head.to_owned()).chain(hash).collect()
}

/// Declares string constants that are documented one by one.
macro_rules! names {
    ($( #[doc = $doc:literal] $name:ident = $value:literal; )+) => {
        $( #[doc = $doc] pub const $name: &str = $value; )+
    };
}

// Labels.
names! {
    /// On what belongs to a backup, and on restored objects: name of the backup, see [`valid_value`].
    BACKUP_NAME = "velero.io/backup-name";
    /// UID of the backup that the object belongs to.
    BACKUP_UID = "velero.io/backup-uid";
    /// On restored objects and what belongs to a restore: name of the restore, see [`valid_value`].
    RESTORE_NAME = "velero.io/restore-name";
    /// UID of the restore that the object belongs to.
    RESTORE_UID = "velero.io/restore-uid";
    /// On a backup: name of the schedule that created it.
    SCHEDULE_NAME = "velero.io/schedule-name";
    /// On a backup or repository: name of its BackupStorageLocation, see [`valid_value`].
    STORAGE_LOCATION = "velero.io/storage-location";
    /// On any object: `true` keeps it out of all backups.
    EXCLUDE_FROM_BACKUP = "velero.io/exclude-from-backup";
    /// UID of the pod that a volume job is for.
    POD_UID = "velero.io/pod-uid";
    /// UID of the claim that a volume job is for.
    PVC_UID = "velero.io/pvc-uid";
    /// On a repository: the namespace whose volumes it holds.
    VOLUME_NAMESPACE = "velero.io/volume-namespace";
    /// On a repository: its format.
    REPOSITORY_TYPE = "velero.io/repository-type";
    /// On a maintenance job: name of the repository.
    REPOSITORY_NAME = "velero.io/repo-name";
    /// Name of the DataUpload that the object belongs to.
    DATA_UPLOAD = "velero.io/data-upload";
    /// Name of the DataDownload that the object belongs to.
    DATA_DOWNLOAD = "velero.io/data-download";
    /// Name of the PodVolumeBackup that the object belongs to.
    POD_VOLUME_BACKUP = "velero.io/pod-volume-backup";
    /// Name of the PodVolumeRestore that the object belongs to.
    POD_VOLUME_RESTORE = "velero.io/pod-volume-restore";
    /// Identifier of the operation that a volume job carries out.
    ASYNC_OPERATION_ID = "velero.io/async-operation-id";
    /// On the ConfigMap with the result of a DataUpload: namespace and name of the claim.
    PVC_NAMESPACE_NAME = "velero.io/pvc-namespace-name";
    /// On that ConfigMap: what it is for.
    RESOURCE_USAGE = "velero.io/resource-usage";
    /// Default label of claims whose volumes are snapshotted together.
    VOLUME_GROUP = "velero.io/volume-group";
    /// Name of the VolumeSnapshot that the object belongs to.
    VOLUME_SNAPSHOT_NAME = "velero.io/volume-snapshot-name";
    /// On a claim during a restore: the name of the volume that the provisioner makes for it.
    DYNAMIC_PV_RESTORE = "velero.io/dynamic-pv-restore";
    /// On a backup: why it could not be removed after its time.
    GC_FAILURE = "velero.io/gc-failure";
    /// On a ConfigMap: it is the configuration of a plugin.
    PLUGIN_CONFIG = "velero.io/plugin-config";
    /// On a VolumeSnapshotClass: it is the one to use for its driver.
    CSI_VOLUME_SNAPSHOT_CLASS = "velero.io/csi-volumesnapshot-class";
    /// Part of an installation; on everything that is installed the value is [`COMPONENT_VALUE`].
    COMPONENT = "component";
}

/// Value of [`COMPONENT`].
pub const COMPONENT_VALUE: &str = "velero";

// Annotations.
names! {
    /// On a backup: version of the cluster's API server, such as `v1.34.2`.
    SOURCE_CLUSTER_GIT_VERSION = "velero.io/source-cluster-k8s-gitversion";
    /// On a backup: major version of the cluster.
    SOURCE_CLUSTER_MAJOR_VERSION = "velero.io/source-cluster-k8s-major-version";
    /// On a backup: minor version of the cluster.
    SOURCE_CLUSTER_MINOR_VERSION = "velero.io/source-cluster-k8s-minor-version";
    /// On a backup: how long the server waits for single resources, as a duration.
    RESOURCE_TIMEOUT = "velero.io/resource-timeout";
    /// On a backup: the ConfigMap of the server's volume policies that were behind its own.
    GLOBAL_VOLUME_POLICIES = "velero.io/global-backup-volume-policy-configmap";
    /// On a pod: how long its volumes may take.
    POD_VOLUME_TIMEOUT = "velero.io/pod-volume-timeout";
    /// On an object that a restore must take over with (`true`) or without (`false`) its status.
    RESTORE_STATUS = "velero.io/restore-status";
    /// On a PodVolumeBackup: name of the claim of the volume.
    PVC_NAME = "velero.io/pvc-name";
    /// On a persistent volume that was renamed: its name in the backup.
    ORIGINAL_PV_NAME = "velero.io/original-pv-name";
    /// On a pod: volumes to save file by file, separated by commas.
    BACKUP_VOLUMES = "backup.velero.io/backup-volumes";
    /// On a pod: volumes not to save file by file, separated by commas.
    BACKUP_VOLUMES_EXCLUDES = "backup.velero.io/backup-volumes-excludes";
    /// On an item during a backup: the items that it names are saved even when filters exclude them.
    MUST_INCLUDE_ADDITIONAL_ITEMS = "backup.velero.io/must-include-additional-items";
    /// On a claim during a backup: its volume has no CSI driver.
    SKIPPED_NO_CSI_PV = "backup.velero.io/skipped-no-csi-pv";
    /// On a persistent volume claim or volume: why it was skipped.
    SKIP_FROM_BACKUP = "velero.io/skip-from-backup";
    /// Prefix of annotations of very old backups, on pods: snapshot of the volume named behind it.
    LEGACY_SNAPSHOT_PREFIX = "snapshot.velero.io/";
    /// On a VolumeSnapshot in a backup: handle of the snapshot at its driver.
    CSI_SNAPSHOT_HANDLE = "velero.io/csi-volumesnapshot-handle";
    /// On a VolumeSnapshot in a backup: size that a restored volume needs.
    CSI_RESTORE_SIZE = "velero.io/csi-volumesnapshot-restore-size";
    /// On a VolumeSnapshot in a backup: name of the driver.
    CSI_DRIVER_NAME = "velero.io/csi-driver-name";
    /// On a VolumeSnapshot in a backup: deletion policy of its content.
    CSI_DELETION_POLICY = "velero.io/csi-vsc-deletion-policy";
    /// On a claim in a backup: name of its DataUpload.
    DATA_UPLOAD_NAME = "velero.io/data-upload-name";
    /// By Kubernetes, on a claim: its volume was bound by the controller.
    BIND_COMPLETED = "pv.kubernetes.io/bind-completed";
    /// By Kubernetes, on a claim or volume: it was bound by the controller and not by hand.
    BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller";
    /// By Kubernetes, on a volume: what provisioned it.
    PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
    /// By Kubernetes, on a claim: what is to provision its volume.
    STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner";
    /// By Kubernetes, on a claim: the old name of [`STORAGE_PROVISIONER`].
    STORAGE_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner";
    /// By Kubernetes, on a claim: the node that its first pod goes to.
    SELECTED_NODE = "volume.kubernetes.io/selected-node";
}

// Hooks by annotation of the pod.
names! {
    /// Container of the hook before a backup.
    PRE_HOOK_CONTAINER = "pre.hook.backup.velero.io/container";
    /// Command of the hook before a backup, as JSON list or as one word.
    PRE_HOOK_COMMAND = "pre.hook.backup.velero.io/command";
    /// What an error of the hook before a backup means.
    PRE_HOOK_ON_ERROR = "pre.hook.backup.velero.io/on-error";
    /// How long the hook before a backup may take.
    PRE_HOOK_TIMEOUT = "pre.hook.backup.velero.io/timeout";
    /// Container of the hook after a backup.
    POST_HOOK_CONTAINER = "post.hook.backup.velero.io/container";
    /// Command of the hook after a backup.
    POST_HOOK_COMMAND = "post.hook.backup.velero.io/command";
    /// What an error of the hook after a backup means.
    POST_HOOK_ON_ERROR = "post.hook.backup.velero.io/on-error";
    /// How long the hook after a backup may take.
    POST_HOOK_TIMEOUT = "post.hook.backup.velero.io/timeout";
}

// Old spellings of the hook before a backup.
names! {
    /// Container of the hook before a backup, where [`PRE_HOOK_CONTAINER`] is not set.
    LEGACY_HOOK_CONTAINER = "hook.backup.velero.io/container";
    /// Command of the hook before a backup, where [`PRE_HOOK_COMMAND`] is not set.
    LEGACY_HOOK_COMMAND = "hook.backup.velero.io/command";
    /// What an error of the hook before a backup means, where [`PRE_HOOK_ON_ERROR`] is not set.
    LEGACY_HOOK_ON_ERROR = "hook.backup.velero.io/on-error";
    /// How long the hook before a backup may take, where [`PRE_HOOK_TIMEOUT`] is not set.
    LEGACY_HOOK_TIMEOUT = "hook.backup.velero.io/timeout";
}

// Hooks of a restore by annotation of the pod in the backup.
names! {
    /// Container of the command that runs after a restore.
    RESTORE_HOOK_CONTAINER = "post.hook.restore.velero.io/container";
    /// Command that runs after a restore, as JSON list or as one word.
    RESTORE_HOOK_COMMAND = "post.hook.restore.velero.io/command";
    /// What an error of that command means.
    RESTORE_HOOK_ON_ERROR = "post.hook.restore.velero.io/on-error";
    /// How long that command may take.
    RESTORE_HOOK_EXEC_TIMEOUT = "post.hook.restore.velero.io/exec-timeout";
    /// How long to wait for its container.
    RESTORE_HOOK_WAIT_TIMEOUT = "post.hook.restore.velero.io/wait-timeout";
    /// Whether its container must be ready and not only running.
    RESTORE_HOOK_WAIT_FOR_READY = "post.hook.restore.velero.io/wait-for-ready";
    /// Image of the init container that is put into the pod.
    INIT_HOOK_CONTAINER_IMAGE = "init.hook.restore.velero.io/container-image";
    /// Name of that init container.
    INIT_HOOK_CONTAINER_NAME = "init.hook.restore.velero.io/container-name";
    /// Command of that init container, as JSON list or as one word.
    INIT_HOOK_COMMAND = "init.hook.restore.velero.io/command";
    /// How long that init container may take; read but without effect, as in Velero.
    INIT_HOOK_TIMEOUT = "init.hook.restore.velero.io/timeout";
}

// Finalizers.
names! {
    /// On a restore: its files in the object store are deleted first.
    RESTORE_FINALIZER = "restores.velero.io/external-resources-finalizer";
    /// On a DataUpload or DataDownload: its pods and volumes are deleted first.
    DATA_MOVE_FINALIZER = "velero.io/data-upload-download-finalizer";
    /// On a PodVolumeBackup or PodVolumeRestore: its pods are deleted first.
    POD_VOLUME_FINALIZER = "velero.io/pod-volume-finalizer";
    /// On a VolumeSnapshotContent: keeps it while its data is moved.
    SNAPSHOT_CONTENT_FINALIZER = "velero.io/volume-snapshot-content-protect-finalizer";
}

#[cfg(test)]
mod tests {
    use super::valid_value;

    #[test]
    fn long_names_are_cut_and_hashed() {
        let fits = "a".repeat(63);
        assert_eq!(valid_value(&fits), fits);
        let long = "a".repeat(64);
        // The SHA-256 of sixty-four times "a" starts with ffe054.
        assert_eq!(valid_value(&long), format!("{}ffe054", "a".repeat(57)));
    }
}

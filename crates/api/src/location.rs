//! `BackupStorageLocation` and `VolumeSnapshotLocation`: where backups and snapshots go.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::object::kind;
use crate::reference::SecretKeySelector;
use crate::text::text_enum;
use crate::wire::unset;

kind! {
    /// A place in an object store where backups are kept.
    BackupStorageLocation(BackupStorageLocationSpec, BackupStorageLocationStatus) is "v1" "backupstoragelocations"
}

impl BackupStorageLocation {
    /// Whether nothing may be written or deleted here. A location without access mode is open to everything.
    pub fn is_read_only(&self) -> bool {
        self.spec.access_mode == Some(BackupStorageLocationAccessMode::ReadOnly)
    }
}

/// Where backups are kept, and how to get there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["objectStorage", "provider"]))]
pub struct BackupStorageLocationSpec {
    /// The kind of object store, such as `aws` or `filesystem`.
    pub provider: String,
    /// Settings of the provider.
    #[serde(skip_serializing_if = "unset")]
    pub config: BTreeMap<String, String>,
    /// The Secret with the credentials. Not set means those of the server.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub credential: Option<SecretKeySelector>,
    /// The bucket, and the place in it.
    pub object_storage: ObjectStorageLocation,
    /// Whether backups that name no location go here. There is at most one such location.
    #[serde(skip_serializing_if = "unset")]
    pub default: bool,
    /// Whether backups may be written and deleted here. Not set means `ReadWrite`.
    #[serde(skip_serializing_if = "unset")]
    pub access_mode: Option<BackupStorageLocationAccessMode>,
    /// How often backups found here become objects of the cluster. Zero means never, not set the server's default.
    #[serde(skip_serializing_if = "unset")]
    pub backup_sync_period: Option<Duration>,
    /// How often the location is tried. Zero means only once, not set the server's default.
    #[serde(skip_serializing_if = "unset")]
    pub validation_frequency: Option<Duration>,
}

/// A bucket, and the place in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["bucket"]))]
pub struct ObjectStorageLocation {
    /// Name of the bucket.
    pub bucket: String,
    /// Path in the bucket. Empty means its top.
    #[serde(skip_serializing_if = "unset")]
    pub prefix: String,
    /// Certificates in PEM form to trust besides those of the system. Superseded by `caCertRef`.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "base64")]
    pub ca_cert: Option<ByteString>,
    /// Key of a Secret with certificates in PEM form to trust besides those of the system.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub ca_cert_ref: Option<SecretKeySelector>,
}

/// Bytes, which stand in JSON as base64.
fn base64(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "byte" })
}

/// The state of a BackupStorageLocation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupStorageLocationStatus {
    /// Whether the location could be used when it was last tried.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<BackupStorageLocationPhase>,
    /// When the backups found here were last made objects of the cluster.
    #[serde(skip_serializing_if = "unset")]
    pub last_synced_time: Option<Time>,
    /// When the location was last tried.
    #[serde(skip_serializing_if = "unset")]
    pub last_validation_time: Option<Time>,
    /// Why the location can't be used.
    #[serde(skip_serializing_if = "unset")]
    pub message: String,
    /// A field of old versions, without meaning.
    #[serde(skip_serializing_if = "unset")]
    pub last_synced_revision: String,
    /// A field of old versions, without meaning: see `spec.accessMode`.
    #[serde(skip_serializing_if = "unset")]
    pub access_mode: Option<BackupStorageLocationAccessMode>,
}

text_enum! {
    /// Whether a BackupStorageLocation can be used.
    pub enum BackupStorageLocationPhase {
        /// It can.
        Available,
        /// It can't; the message says why.
        Unavailable,
    }
}

text_enum! {
    /// What may be done with a BackupStorageLocation.
    pub enum BackupStorageLocationAccessMode {
        /// Restores only.
        ReadOnly,
        /// Everything.
        ReadWrite,
    }
}

kind! {
    /// A place where native snapshots of volumes are kept.
    VolumeSnapshotLocation(VolumeSnapshotLocationSpec, VolumeSnapshotLocationStatus) is "v1" "volumesnapshotlocations"
}

/// Where native snapshots of volumes are kept, and how to get there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["provider"]))]
pub struct VolumeSnapshotLocationSpec {
    /// The kind of volumes, such as `aws`.
    pub provider: String,
    /// Settings of the provider.
    #[serde(skip_serializing_if = "unset")]
    pub config: BTreeMap<String, String>,
    /// The Secret with the credentials. Not set means those of the server.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub credential: Option<SecretKeySelector>,
}

/// The state of a VolumeSnapshotLocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeSnapshotLocationStatus {
    /// Whether the location could be used when it was last tried.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<VolumeSnapshotLocationPhase>,
}

text_enum! {
    /// Whether a VolumeSnapshotLocation can be used.
    pub enum VolumeSnapshotLocationPhase {
        /// It can.
        Available,
        /// It can't.
        Unavailable,
    }
}

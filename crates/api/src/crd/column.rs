//! What `kubectl get` shows of each kind.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;

/// A column: its title and where its value stands.
pub(super) struct Column {
    title: &'static str,
    path: &'static str,
    kind: ValueKind,
    /// Zero is always shown, more only in wide output.
    priority: i32,
}

/// How a value is shown.
enum ValueKind {
    Text,
    Bool,
    /// As the time since then.
    Date,
    Count,
    Bytes,
}

use ValueKind::{Bool, Bytes, Count, Date, Text};

const fn column(title: &'static str, path: &'static str, kind: ValueKind) -> Column {
    Column { title, path, kind, priority: 0 }
}

impl Column {
    /// The column as a CRD has it.
    pub(super) fn define(&self) -> CustomResourceColumnDefinition {
        let (type_, format) = match self.kind {
            Text => ("string", None),
            Bool => ("boolean", None),
            Date => ("date", None),
            Count => ("integer", None),
            Bytes => ("integer", Some("int64")),
        };
        CustomResourceColumnDefinition {
            name: self.title.to_owned(),
            json_path: self.path.to_owned(),
            type_: type_.to_owned(),
            format: format.map(str::to_owned),
            priority: (self.priority != 0).then_some(self.priority),
            description: None,
        }
    }
}

const AGE: Column = column("Age", ".metadata.creationTimestamp", Date);
const STATUS: Column = column("Status", ".status.phase", Text);
const STARTED: Column = column("Started", ".status.startTimestamp", Date);
const ERRORS: Column = column("Errors", ".status.errors", Count);
const WARNINGS: Column = column("Warnings", ".status.warnings", Count);
const BYTES_DONE: Column = column("Bytes Done", ".status.progress.bytesDone", Bytes);
const TOTAL_BYTES: Column = column("Total Bytes", ".status.progress.totalBytes", Bytes);
const INCREMENTAL_BYTES: Column =
    Column { priority: 10, ..column("Incremental Bytes", ".status.incrementalBytes", Bytes) };
const STORAGE_LOCATION: Column = column("Storage Location", ".spec.backupStorageLocation", Text);
const NODE: Column = column("Node", ".status.node", Text);

pub(super) const BACKUP: &[Column] = &[STATUS, ERRORS, WARNINGS, STARTED, AGE];

pub(super) const BACKUP_REPOSITORY: &[Column] =
    &[AGE, column("Repository Type", ".spec.repositoryType", Text)];

pub(super) const BACKUP_STORAGE_LOCATION: &[Column] = &[
    column("Phase", ".status.phase", Text),
    column("Last Validated", ".status.lastValidationTime", Date),
    AGE,
    column("Default", ".spec.default", Bool),
];

pub(super) const DATA_DOWNLOAD: &[Column] =
    &[STATUS, STARTED, BYTES_DONE, TOTAL_BYTES, STORAGE_LOCATION, AGE, NODE];

pub(super) const DATA_UPLOAD: &[Column] =
    &[STATUS, STARTED, BYTES_DONE, TOTAL_BYTES, INCREMENTAL_BYTES, STORAGE_LOCATION, AGE, NODE];

pub(super) const DELETE_BACKUP_REQUEST: &[Column] = &[column("BackupName", ".spec.backupName", Text), STATUS];

pub(super) const DOWNLOAD_REQUEST: &[Column] = &[
    column("Target Kind", ".spec.target.kind", Text),
    column("Target Name", ".spec.target.name", Text),
    STATUS,
    AGE,
];

pub(super) const POD_VOLUME_BACKUP: &[Column] = &[
    STATUS,
    STARTED,
    BYTES_DONE,
    TOTAL_BYTES,
    INCREMENTAL_BYTES,
    STORAGE_LOCATION,
    AGE,
    // Velero 1.18 reads a field of the status that does not exist.
    column("Node", ".spec.node", Text),
    column("Uploader", ".spec.uploaderType", Text),
];

pub(super) const POD_VOLUME_RESTORE: &[Column] = &[
    STATUS,
    STARTED,
    BYTES_DONE,
    TOTAL_BYTES,
    STORAGE_LOCATION,
    AGE,
    NODE,
    column("Uploader Type", ".spec.uploaderType", Text),
];

pub(super) const RESTORE: &[Column] =
    &[column("Backup", ".spec.backupName", Text), STATUS, ERRORS, WARNINGS, AGE];

pub(super) const SCHEDULE: &[Column] = &[
    STATUS,
    column("Schedule", ".spec.schedule", Text),
    column("LastBackup", ".status.lastBackup", Date),
    AGE,
    column("Paused", ".spec.paused", Bool),
];

pub(super) const SERVER_STATUS_REQUEST: &[Column] = &[
    STATUS,
    column("Server Version", ".status.serverVersion", Text),
    column("Processed", ".status.processedTimestamp", Date),
    AGE,
];

pub(super) const VOLUME_SNAPSHOT_LOCATION: &[Column] =
    &[column("Provider", ".spec.provider", Text), column("Phase", ".status.phase", Text), AGE];

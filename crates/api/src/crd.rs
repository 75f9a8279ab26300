//! The CustomResourceDefinitions of all kinds, made from the Rust types.
//!
//! Paths, types, formats, enums, defaults and required lists are those of Velero 1.18.2, which a test holds equal. Short names
//! and printer columns are those of the release after it. No kind has a status subresource: like Velero's, our
//! server and clients patch whole objects.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion, CustomResourceValidation,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::label;
use crate::object::{GROUP, Kind};
use crate::{
    Backup, BackupRepository, BackupStorageLocation, DataDownload, DataUpload, DeleteBackupRequest,
    DownloadRequest, PodVolumeBackup, PodVolumeRestore, Restore, Schedule, ServerStatusRequest,
    VolumeSnapshotLocation,
};

mod column;
mod schema;

use column::Column;

/// The definitions of all thirteen kinds, sorted by kind.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        define::<Backup>("bak", column::BACKUP),
        define::<BackupRepository>("repo", column::BACKUP_REPOSITORY),
        define::<BackupStorageLocation>("bsl", column::BACKUP_STORAGE_LOCATION),
        define::<DataDownload>("dd", column::DATA_DOWNLOAD),
        define::<DataUpload>("du", column::DATA_UPLOAD),
        define::<DeleteBackupRequest>("dbr", column::DELETE_BACKUP_REQUEST),
        define::<DownloadRequest>("dreq", column::DOWNLOAD_REQUEST),
        define::<PodVolumeBackup>("pvb", column::POD_VOLUME_BACKUP),
        define::<PodVolumeRestore>("pvr", column::POD_VOLUME_RESTORE),
        define::<Restore>("rst", column::RESTORE),
        define::<Schedule>("sched", column::SCHEDULE),
        define::<ServerStatusRequest>("ssr", column::SERVER_STATUS_REQUEST),
        define::<VolumeSnapshotLocation>("vsl", column::VOLUME_SNAPSHOT_LOCATION),
    ]
}

fn define<K: Kind>(short_name: &str, columns: &[Column]) -> CustomResourceDefinition {
    let labels = [(label::COMPONENT.to_owned(), label::COMPONENT_VALUE.to_owned())];
    CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{}.{GROUP}", K::PLURAL)),
            labels: Some(BTreeMap::from(labels)),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: GROUP.to_owned(),
            names: CustomResourceDefinitionNames {
                kind: K::KIND.to_owned(),
                list_kind: Some(format!("{}List", K::KIND)),
                plural: K::PLURAL.to_owned(),
                singular: Some(K::KIND.to_ascii_lowercase()),
                short_names: Some(vec![short_name.to_owned()]),
                ..CustomResourceDefinitionNames::default()
            },
            scope: "Namespaced".to_owned(),
            versions: vec![CustomResourceDefinitionVersion {
                name: K::VERSION.to_owned(),
                served: true,
                storage: true,
                schema: Some(CustomResourceValidation { open_api_v3_schema: Some(schema::of::<K>()) }),
                additional_printer_columns: Some(columns.iter().map(Column::define).collect()),
                ..CustomResourceDefinitionVersion::default()
            }],
            ..CustomResourceDefinitionSpec::default()
        },
        ..CustomResourceDefinition::default()
    }
}

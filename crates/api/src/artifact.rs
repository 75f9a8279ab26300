//! The JSON files of a backup or restore in the object store, besides `velero-backup.json`.
//!
//! Each is one value and a newline, see [`crate::go_json::to_line`], and gzipped. Some empty lists are written as
//! `null` and some as `[]`; which is said at each type. Readers take both: [`read_list`].

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use crate::object::Kind;
use crate::wire::GoMeta;

mod native_snapshot;
mod operation;
mod resource_list;
mod results;
mod volume_info;

pub use native_snapshot::{NativeSnapshot, NativeSnapshotPhase, NativeSnapshotSpec, NativeSnapshotStatus};
pub use operation::{
    BackupOperation, BackupOperationSpec, OperationPhase, OperationStatus, ResourceIdentifier,
    RestoreOperation, RestoreOperationSpec,
};
pub use resource_list::{ItemResult, ResourceList};
pub use results::{ResultSet, Results};
pub use volume_info::{
    BackupVolumeInfo, CsiSnapshotInfo, NativeSnapshotInfo, PodVolumeInfo, PvInfo, RestoreVolumeInfo,
    SnapshotDataMovementInfo, VolumeMethod, VolumeResult,
};

/// Reads a list; `null` is an empty one.
pub fn read_list<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<Vec<T>> {
    Ok(serde_json::from_slice::<Option<Vec<T>>>(json)?.unwrap_or_default())
}

/// A list whose empty form is `null`, ready to be written.
pub fn null_if_empty<T>(items: &[T]) -> Option<&[T]> {
    (!items.is_empty()).then_some(items)
}

/// [`null_if_empty`] for a field.
fn write_null_if_empty<T: Serialize, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    null_if_empty(items).serialize(serializer)
}

/// An object of ours without `kind` and `apiVersion`: an item of `-podvolumebackups.json.gz`, a list that
/// is `null` when empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bare<K>(pub K);

impl<K: Kind> Serialize for Bare<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Bare", 3)?;
        out.serialize_field("metadata", &GoMeta(self.0.meta()))?;
        out.serialize_field("spec", self.0.spec())?;
        out.serialize_field("status", self.0.status())?;
        out.end()
    }
}

impl<'de, K: Kind> Deserialize<'de> for Bare<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        K::deserialize(deserializer).map(Self)
    }
}

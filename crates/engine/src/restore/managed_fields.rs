//! Who owns which field of a restored object: as the backup says, and in one call where the API server allows it.
//!
//! The API server ignores nothing but gives every field of a created object to the creator. So an object whose backup names
//! one ordinary owner is created in that owner's name. Owners of the status alone can be sent along: nothing of theirs is in the
//! created object, so the server keeps their entries. All other histories need a patch afterwards, which is what Velero does for every
//! object. Times are not compared (a create sets the present one), nor are the two labels of the restore, which
//! nobody owned when the backup was made.

use bowline_api::label;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::Fields;
use crate::object::{Object, ObjectError};

/// How the owners of the backup get onto the new object.
#[derive(Debug)]
pub(super) enum Ownership {
    /// The backup knows of no owner.
    Unknown,
    /// By a create in the name of `manager`; with the backup's entries in the body when others own the status.
    AtOnce {
        /// The field manager.
        manager: String,
        /// Whether the body carries the backup's entries.
        seeded: bool,
    },
    /// By a patch after the create.
    Patched,
}

impl Ownership {
    /// Decides by the entries of the backup and the version in which the object is created.
    pub(super) fn of(entries: Option<&RawValue>, api_version: &str) -> Self {
        let Some(entries) = entries.and_then(|raw| serde_json::from_str::<Vec<Entry>>(raw.get()).ok()) else {
            return Self::Unknown;
        };
        let (status, ordinary): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|entry| entry.owns_status_only());
        match ordinary.as_slice() {
            [] if status.is_empty() => Self::Unknown,
            [one]
                if one.operation == "Update"
                    && one.subresource.is_empty()
                    && one.api_version == api_version
                    && !one.manager.is_empty() =>
            {
                Self::AtOnce { manager: one.manager.clone(), seeded: !status.is_empty() }
            }
            _ => Self::Patched,
        }
    }
}

/// Whether the owners on the object that the server returned are other ones than in the backup.
pub(super) fn differ(answer: &Object, backup: &RawValue) -> Result<bool, ObjectError> {
    let top = Fields::parse(answer.raw())?;
    let metadata = top.object("metadata")?;
    let Some(have) = metadata.get("managedFields") else { return Ok(true) };
    Ok(owners(have)? != owners(backup)?)
}

/// The patch that puts the backup's owners onto an object.
pub(super) fn patch(backup: &RawValue) -> Vec<u8> {
    format!(r#"{{"metadata":{{"managedFields":{}}}}}"#, backup.get()).into_bytes()
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    subresource: String,
    #[serde(rename = "fieldsV1")]
    fields: Value,
}

impl Entry {
    fn owns_status_only(&self) -> bool {
        self.subresource == "status"
            && self.fields.as_object().is_some_and(|fields| fields.keys().all(|field| field == "f:status"))
    }
}

fn owners(entries: &RawValue) -> Result<Vec<Entry>, ObjectError> {
    let mut entries: Vec<Entry> = serde_json::from_str(entries.get()).map_err(ObjectError::Decode)?;
    for entry in &mut entries {
        drop_restore_labels(&mut entry.fields);
    }
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| {
            (
                entry.manager.clone(),
                entry.operation.clone(),
                entry.subresource.clone(),
                entry.api_version.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    Ok(entries)
}

fn drop_restore_labels(fields: &mut Value) {
    let Some(metadata) = fields.get_mut("f:metadata").and_then(Value::as_object_mut) else { return };
    if let Some(labels) = metadata.get_mut("f:labels").and_then(Value::as_object_mut) {
        for name in [label::BACKUP_NAME, label::RESTORE_NAME] {
            labels.remove(&format!("f:{name}"));
        }
        if labels.keys().all(|field| field == ".") {
            metadata.remove("f:labels");
        }
    }
    let empty = metadata.is_empty();
    if let Some(fields) = fields.as_object_mut().filter(|_| empty) {
        fields.remove("f:metadata");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    const ONE: &str = r#"{"manager":"kubectl","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{}}}"#;
    const STATUS: &str = r#"{"manager":"kubelet","operation":"Update","apiVersion":"v1","subresource":"status","fieldsV1":{"f:status":{}}}"#;
    const MIXED: &str = r#"{"manager":"kcm","operation":"Update","apiVersion":"v1","subresource":"status","fieldsV1":{"f:status":{},"f:metadata":{}}}"#;
    const APPLY: &str =
        r#"{"manager":"argo","operation":"Apply","apiVersion":"v1","fieldsV1":{"f:data":{}}}"#;

    #[test]
    fn one_ordinary_owner_needs_no_second_call() {
        for (entries, expected) in [
            (format!("[{ONE}]"), "AtOnce kubectl false"),
            (format!("[{STATUS},{ONE}]"), "AtOnce kubectl true"),
            (format!("[{ONE},{MIXED}]"), "Patched"),
            (format!("[{APPLY}]"), "Patched"),
            (format!("[{ONE},{ONE}]"), "Patched"),
            (format!("[{STATUS}]"), "Patched"),
            ("[]".to_owned(), "Unknown"),
        ] {
            let got = match Ownership::of(Some(&raw(&entries)), "v1") {
                Ownership::Unknown => "Unknown".to_owned(),
                Ownership::AtOnce { manager, seeded } => format!("AtOnce {manager} {seeded}"),
                Ownership::Patched => "Patched".to_owned(),
            };
            assert_eq!(got, expected, "{entries}");
        }
        assert!(matches!(Ownership::of(Some(&raw(&format!("[{ONE}]"))), "v2"), Ownership::Patched));
    }

    #[test]
    fn times_and_the_restore_labels_do_not_count() {
        let answer = |fields: &str| {
            let text = format!(
                r#"{{"metadata":{{"name":"a","managedFields":[{{"manager":"kubectl","operation":"Update","apiVersion":"v1","time":"2027-01-01T00:00:00Z","fieldsV1":{fields}}}]}}}}"#
            );
            Object::parse(text.into()).unwrap()
        };
        let backup = raw(&format!("[{ONE}]"));
        let labelled = r#"{"f:data":{},"f:metadata":{"f:labels":{".":{},"f:velero.io/backup-name":{},"f:velero.io/restore-name":{}}}}"#;
        assert!(!differ(&answer(labelled), &backup).unwrap());
        assert!(differ(&answer(r#"{"f:data":{},"f:spec":{}}"#), &backup).unwrap());
    }
}

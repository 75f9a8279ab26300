//! From the object of the backup to the object to create: an ordered list of rewrites, with the actions in the middle.

use std::collections::BTreeMap;

use bowline_api::label;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::fields::Fields;
use super::rules::Rules;
use crate::object::{Object, ObjectError};

/// What the server sets itself, and what would tie the new object to the old cluster (behaviour §7.7).
const RESET: &[&str] = &[
    "generateName",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
];

/// An action sets this annotation when what it asks for shall not pass the filters (behaviour §11).
pub(super) const MUST_INCLUDE: &str = "restore.velero.io/must-include-additional-items";

/// An object taken apart.
pub(super) struct Draft<'a> {
    pub(super) top: Fields<'a>,
    pub(super) metadata: Fields<'a>,
}

/// What the rewrites of one object read.
struct Aim<'a> {
    rules: &'a Rules,
    /// Namespace in the cluster that is restored to.
    namespace: Option<&'a str>,
}

type Rewrite = fn(&mut Draft<'_>, &Aim<'_>) -> Result<(), ObjectError>;

/// Before the actions, so that these see the object as Velero's actions do.
const BEFORE_ACTIONS: &[Rewrite] = &[
    |draft, _| {
        reset(draft);
        draft.top.remove("status");
        Ok(())
    },
    drop_backup_annotation,
];
/// After the actions and the modifiers.
const AFTER_ACTIONS: &[Rewrite] = &[drop_restore_annotation, set_namespace, add_labels];

/// The object as actions get it: without what the server owns. managedFields stay, because actions read them.
pub(super) fn before_actions(object: &Object, rules: &Rules) -> Result<Object, ObjectError> {
    rewrite(object, BEFORE_ACTIONS, &Aim { rules, namespace: None })
}

/// The object as it is created, in its target namespace.
pub(super) fn after_actions(
    object: &Object,
    rules: &Rules,
    namespace: Option<&str>,
) -> Result<Object, ObjectError> {
    rewrite(object, AFTER_ACTIONS, &Aim { rules, namespace })
}

/// An object in the form in which two are compared: without what the server owns, status and managedFields.
pub(super) fn comparable(object: &Object) -> Result<Bytes, ObjectError> {
    edit(object, |draft| {
        reset(draft);
        draft.metadata.remove("managedFields");
        draft.top.remove("status");
        Ok(())
    })
}

/// The body of a create: managedFields only where they are wanted.
pub(super) fn body(object: &Object, with_managed_fields: bool) -> Result<Bytes, ObjectError> {
    if with_managed_fields {
        return Ok(object.raw().clone());
    }
    edit(object, |draft| {
        draft.metadata.remove("managedFields");
        Ok(())
    })
}

/// The body of a status update: the object as the server has it, with the status of the backup.
pub(super) fn with_status(answer: &Object, status: &RawValue) -> Result<Bytes, ObjectError> {
    edit(answer, |draft| draft.top.set("status", &status))
}

/// The status of an object, as text.
pub(super) fn status(object: &Object) -> Result<Option<Box<RawValue>>, ObjectError> {
    Ok(Fields::parse(object.raw())?.get("status").map(ToOwned::to_owned))
}

/// The managedFields of an object, as text.
pub(super) fn managed_fields(object: &Object) -> Result<Option<Box<RawValue>>, ObjectError> {
    let top = Fields::parse(object.raw())?;
    Ok(top.object("metadata")?.get("managedFields").map(ToOwned::to_owned))
}

fn rewrite(object: &Object, rewrites: &[Rewrite], aim: &Aim<'_>) -> Result<Object, ObjectError> {
    let text = edit(object, |draft| rewrites.iter().try_for_each(|rewrite| rewrite(draft, aim)))?;
    Object::parse(text)
}

fn edit(
    object: &Object,
    change: impl FnOnce(&mut Draft<'_>) -> Result<(), ObjectError>,
) -> Result<Bytes, ObjectError> {
    let top = Fields::parse(object.raw())?;
    let metadata = top.get("metadata").map_or("{}", RawValue::get).to_owned();
    let mut draft = Draft { top, metadata: Fields::parse(metadata.as_bytes())? };
    change(&mut draft)?;
    let Draft { mut top, metadata } = draft;
    top.set("metadata", &metadata)?;
    top.text().map(Bytes::from)
}

fn reset(draft: &mut Draft<'_>) {
    draft.metadata.retain(|field| !RESET.contains(&field));
}

/// Velero means to drop this annotation when it makes the backup, and does not (backup-format §4.2).
fn drop_backup_annotation(draft: &mut Draft<'_>, _: &Aim<'_>) -> Result<(), ObjectError> {
    drop_annotation(draft, label::MUST_INCLUDE_ADDITIONAL_ITEMS)
}

fn drop_restore_annotation(draft: &mut Draft<'_>, _: &Aim<'_>) -> Result<(), ObjectError> {
    drop_annotation(draft, MUST_INCLUDE)
}

fn drop_annotation(draft: &mut Draft<'_>, name: &str) -> Result<(), ObjectError> {
    let mut annotations = draft.metadata.read::<BTreeMap<String, String>>("annotations")?;
    if annotations.remove(name).is_some() {
        draft.metadata.set("annotations", &annotations)?;
    }
    Ok(())
}

fn set_namespace(draft: &mut Draft<'_>, aim: &Aim<'_>) -> Result<(), ObjectError> {
    match aim.namespace {
        Some(namespace) => draft.metadata.set("namespace", &namespace),
        None => Ok(()),
    }
}

fn add_labels(draft: &mut Draft<'_>, aim: &Aim<'_>) -> Result<(), ObjectError> {
    let mut labels = draft.metadata.read::<BTreeMap<String, String>>("labels")?;
    for (name, value) in &aim.rules.labels {
        labels.insert((*name).to_owned(), value.clone());
    }
    draft.metadata.set("labels", &labels)
}

//! An object that exists against the one to restore: are they the same, and what would make them so.

use std::collections::BTreeMap;

use bowline_api::label;
use serde_json::{Map, Value};

use super::prepare;
use super::{chosen, managed_fields};
use crate::diff::{FieldChange, field_changes};
use crate::object::{Object, ObjectError};

/// The two objects as trees, without what the server owns.
pub(super) struct Comparison {
    existing: Value,
    desired: Value,
}

impl Comparison {
    /// Brings both into the same form. The labels that name backup and restore don't count: those of `desired` are set on both, as in
    /// Velero. managedFields don't count either, unlike in Velero, where their times make every object that was made twice differ, nor does what the
    /// cluster chose.
    pub(super) fn of(existing: &Object, desired: &Object) -> Result<Self, ObjectError> {
        let tree = |object| {
            serde_json::from_slice::<Value>(&prepare::comparable(object)?).map_err(ObjectError::Decode)
        };
        let (mut existing_tree, desired_tree) = (tree(existing)?, tree(desired)?);
        for name in [label::BACKUP_NAME, label::RESTORE_NAME] {
            if let Some(value) = desired.head().label(name) {
                existing_tree["metadata"]["labels"][name] = value.into();
            }
        }
        chosen::leave_out(&mut existing_tree, &desired_tree);
        Ok(Self { existing: existing_tree, desired: desired_tree })
    }

    /// Whether there is nothing to restore.
    pub(super) fn is_equal(&self) -> bool {
        self.existing == self.desired
    }

    /// From the existing object to the desired one, field by field.
    pub(super) fn changes(&self) -> Vec<FieldChange> {
        field_changes(&self.existing, &self.desired)
    }

    /// The merge patch that makes the existing object the desired one, labels of this restore included.
    pub(super) fn patch(&self, existing: &Object, desired: &Object) -> Result<Value, ObjectError> {
        let mut patch = merge_patch(&self.existing, &self.desired);
        if let Some(owners) = prepare::managed_fields(desired)?
            && managed_fields::differ(existing, &owners)?
        {
            set(
                &mut patch,
                &["metadata", "managedFields"],
                serde_json::from_str(owners.get()).map_err(ObjectError::Decode)?,
            );
        }
        for (name, value) in label_changes(existing, desired) {
            set(&mut patch, &["metadata", "labels", name], value.into());
        }
        Ok(patch)
    }

    /// The patch that adds to a ServiceAccount what only the backup has: secrets, pull secrets, labels, annotations. `None` when there
    /// is nothing to add.
    pub(super) fn service_account_patch(&self) -> Option<Value> {
        let mut merged = self.existing.clone();
        for field in ["secrets", "imagePullSecrets"] {
            add_references(&mut merged, &self.desired, field);
        }
        for field in ["labels", "annotations"] {
            let extra = self.desired["metadata"][field].as_object().into_iter().flatten();
            for (name, value) in extra {
                if merged["metadata"][field].get(name).is_none() {
                    merged["metadata"][field][name] = value.clone();
                }
            }
        }
        let patch = merge_patch(&self.existing, &merged);
        patch.as_object().is_some_and(|fields| !fields.is_empty()).then_some(patch)
    }
}

/// The patch that renews the labels of backup and restore; `None` when they are right already.
pub(super) fn label_patch(existing: &Object, desired: &Object) -> Option<Value> {
    let changes: BTreeMap<&str, &str> = label_changes(existing, desired).collect();
    (!changes.is_empty()).then(|| serde_json::json!({"metadata": {"labels": changes}}))
}

fn label_changes<'a>(
    existing: &'a Object,
    desired: &'a Object,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    [label::BACKUP_NAME, label::RESTORE_NAME].into_iter().filter_map(|name| {
        let wanted = desired.head().label(name)?;
        (existing.head().label(name) != Some(wanted)).then_some((name, wanted))
    })
}

/// The RFC 7396 patch from one tree to another.
pub(super) fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let removed = from.keys().filter(|name| !to.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let changed = to.iter().filter(|(name, value)| from.get(*name) != Some(*value)).map(|(name, value)| {
        let patch = from.get(name).map_or_else(|| value.clone(), |old| merge_patch(old, value));
        (name.clone(), patch)
    });
    Value::Object(removed.chain(changed).collect())
}

fn add_references(merged: &mut Value, from: &Value, field: &str) {
    let extra = from[field].as_array().into_iter().flatten();
    for reference in extra {
        // The name alone says which one it is.
        let is_same = |have: &Value| have["name"] == reference["name"];
        let have = merged[field].as_array().is_some_and(|list| list.iter().any(is_same));
        if !have {
            match merged[field].as_array_mut() {
                Some(list) => list.push(reference.clone()),
                None => merged[field] = Value::Array(vec![reference.clone()]),
            }
        }
    }
}

fn set(tree: &mut Value, path: &[&str], value: Value) {
    let mut at = tree;
    for part in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[*part];
    }
    *at = value;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Object {
        Object::from_tree(value).unwrap()
    }

    #[test]
    fn what_the_server_owns_does_not_count() {
        let existing = object(
            &json!({"kind": "ConfigMap", "metadata": {"name": "a", "uid": "1", "resourceVersion": "5",
            "managedFields": [{"manager": "x"}]}, "data": {"k": "v"}, "status": {"x": 1}}),
        );
        let desired = object(
            &json!({"kind": "ConfigMap", "metadata": {"name": "a", "labels": {"velero.io/restore-name": "r"}}, "data": {"k": "v"}}),
        );
        assert!(Comparison::of(&existing, &desired).unwrap().is_equal());
        let patch = label_patch(&existing, &desired).unwrap();
        assert_eq!(patch, json!({"metadata": {"labels": {"velero.io/restore-name": "r"}}}));
    }

    #[test]
    fn the_patch_of_an_update_brings_content_and_labels() {
        let existing = object(&json!({"metadata": {"name": "a"}, "data": {"k": "old", "gone": "x"}}));
        let desired = object(
            &json!({"metadata": {"name": "a", "labels": {"velero.io/backup-name": "b"}}, "data": {"k": "new"}}),
        );
        let comparison = Comparison::of(&existing, &desired).unwrap();
        assert!(!comparison.is_equal());
        assert_eq!(
            comparison.patch(&existing, &desired).unwrap(),
            json!({"data": {"k": "new", "gone": null}, "metadata": {"labels": {"velero.io/backup-name": "b"}}})
        );
    }

    #[test]
    fn service_accounts_only_gain() {
        let existing =
            object(&json!({"metadata": {"name": "a", "labels": {"x": "live"}}, "secrets": [{"name": "s1"}]}));
        let desired = object(
            &json!({"metadata": {"name": "a", "labels": {"x": "old", "y": "1"}}, "secrets": [{"name": "s1"}, {"name": "s2"}],
            "imagePullSecrets": [{"name": "p"}]}),
        );
        let patch = Comparison::of(&existing, &desired).unwrap().service_account_patch().unwrap();
        assert_eq!(
            patch,
            json!({"metadata": {"labels": {"y": "1"}}, "secrets": [{"name": "s1"}, {"name": "s2"}], "imagePullSecrets": [{"name": "p"}]})
        );
        assert!(Comparison::of(&existing, &existing).unwrap().service_account_patch().is_none());
    }

    fn tree() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        // No null: in a merge patch it means "remove".
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// RFC 7396, as the server does it.
    fn apply(target: &mut Value, patch: &Value) {
        let Value::Object(patch) = patch else {
            *target = patch.clone();
            return;
        };
        if !target.is_object() {
            *target = json!({});
        }
        for (name, value) in patch {
            if value.is_null() {
                target.as_object_mut().unwrap().remove(name);
            } else {
                apply(&mut target[name], value);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn a_merge_patch_leads_from_one_tree_to_the_other(from in tree(), to in tree()) {
            let mut patched = from.clone();
            apply(&mut patched, &merge_patch(&from, &to));
            proptest::prop_assert_eq!(patched, to);
        }
    }
}

//! `-resource-list.json.gz`: the objects of a backup or restore by kind.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

use crate::resource::{GroupVersionKind, ObjectKey};
use crate::text::text_enum;

/// Objects by kind: `apps/v1/Deployment` to `namespace/name`, all sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ResourceList(BTreeMap<String, BTreeSet<String>>);

impl ResourceList {
    /// Adds an object of a backup.
    pub fn add(&mut self, kind: &GroupVersionKind, object: &ObjectKey) {
        self.insert(kind, object.to_string());
    }

    /// Adds an object of a restore, with what was done: `ns1/p(created)`.
    pub fn add_result(&mut self, kind: &GroupVersionKind, object: &ObjectKey, result: &ItemResult) {
        self.insert(kind, format!("{object}({result})"));
    }

    fn insert(&mut self, kind: &GroupVersionKind, entry: String) {
        self.0.entry(kind.to_string()).or_default().insert(entry);
    }

    /// Kinds with their entries, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.0.iter().map(|(kind, entries)| (kind.as_str(), entries.iter().map(String::as_str)))
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for ResourceList {
    /// `null`, for the list or for the entries of a kind, means empty.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kinds: Option<BTreeMap<String, Option<BTreeSet<String>>>> = Option::deserialize(deserializer)?;
        let filled = |(kind, entries): (_, Option<_>)| (kind, entries.unwrap_or_default());
        Ok(Self(kinds.unwrap_or_default().into_iter().map(filled).collect()))
    }
}

text_enum! {
    /// What a restore did to an object.
    pub enum ItemResult {
        /// It was not there and is now.
        Created = "created",
        /// It was there and has been changed.
        Updated = "updated",
        /// It could not be restored, or differs and was left alone.
        Failed = "failed",
        /// It is there already, or need not be restored.
        Skipped = "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::{ItemResult, ResourceList};
    use crate::resource::{GroupVersionKind, ObjectKey};

    #[test]
    fn entries_are_sorted_and_say_what_was_done() {
        let mut list = ResourceList::default();
        let pod = GroupVersionKind::new("", "v1", "Pod");
        list.add_result(&pod, &ObjectKey::namespaced("b", "p"), &ItemResult::Created);
        list.add_result(&pod, &ObjectKey::namespaced("a", "p"), &ItemResult::Skipped);
        list.add(&GroupVersionKind::new("apps", "v1", "Deployment"), &ObjectKey::namespaced("a", "d"));
        let json = r#"{"apps/v1/Deployment":["a/d"],"v1/Pod":["a/p(skipped)","b/p(created)"]}"#;
        assert_eq!(serde_json::to_string(&list).unwrap(), json);
        assert_eq!(list.len(), 3);
    }

    #[test]
    fn null_is_an_empty_list() {
        for json in ["null", "{}", r#"{"v1/Pod":null}"#] {
            assert_eq!(serde_json::from_str::<ResourceList>(json).unwrap().len(), 0);
        }
    }
}

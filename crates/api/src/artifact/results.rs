//! `-results.gz`: errors and warnings of a backup or restore.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::{null_is_zero, unset};

/// Errors and warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Results {
    /// What failed.
    #[serde(deserialize_with = "null_is_zero")]
    pub errors: ResultSet,
    /// What is worth a look.
    #[serde(deserialize_with = "null_is_zero")]
    pub warnings: ResultSet,
}

/// Messages by where they belong, in the order in which they came up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultSet {
    /// About the server's own work.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_zero")]
    pub velero: Vec<String>,
    /// About cluster-scoped objects.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_zero")]
    pub cluster: Vec<String>,
    /// About objects in namespaces; of a restore, namespaces after mapping.
    #[serde(skip_serializing_if = "unset", deserialize_with = "null_is_zero")]
    pub namespaces: BTreeMap<String, Vec<String>>,
}

impl ResultSet {
    /// Number of messages.
    pub fn len(&self) -> usize {
        self.velero.len() + self.cluster.len() + self.namespaces.values().map(Vec::len).sum::<usize>()
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a message about an object; without a namespace it is cluster-scoped.
    pub fn add(&mut self, namespace: Option<&str>, message: impl Into<String>) {
        let list = match namespace {
            Some(namespace) => self.namespaces.entry(namespace.to_owned()).or_default(),
            None => &mut self.cluster,
        };
        list.push(message.into());
    }
}

#[cfg(test)]
mod tests {
    use super::{ResultSet, Results};

    #[test]
    fn empty_results_have_two_empty_objects() {
        assert_eq!(serde_json::to_string(&Results::default()).unwrap(), r#"{"errors":{},"warnings":{}}"#);
        let read: Results = serde_json::from_str(r#"{"errors":null,"warnings":{"cluster":null}}"#).unwrap();
        assert_eq!(read, Results::default());
    }

    #[test]
    fn messages_are_kept_by_namespace() {
        let mut set = ResultSet::default();
        set.add(Some("ns"), "one");
        set.add(None, "two");
        assert_eq!(
            serde_json::to_string(&set).unwrap(),
            r#"{"cluster":["two"],"namespaces":{"ns":["one"]}}"#
        );
        assert_eq!(set.len(), 2);
    }
}

//! Policies of sources. This crate applies none; it stores them for the other clients of a repository.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Source;
use crate::Result;
use crate::manifest::{Manifest, Manifests};

const POLICY_TYPE: &str = "policy";

/// The document of a policy manifest, section by section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the sections are those of Kopia's policies")]
pub struct Policy {
    pub retention: Map<String, Value>,
    pub files: Map<String, Value>,
    pub error_handling: Map<String, Value>,
    pub scheduling: Map<String, Value>,
    pub compression: Map<String, Value>,
    pub metadata_compression: Map<String, Value>,
    pub splitter: Map<String, Value>,
    pub actions: Map<String, Value>,
    pub os_snapshots: Map<String, Value>,
    pub logging: Map<String, Value>,
    pub upload: Map<String, Value>,
}

impl Policy {
    /// The labels of the policy of a path.
    pub(crate) fn labels(source: &Source) -> [(&str, &str); 5] {
        let [kind, host, user, path] = source.labels(POLICY_TYPE);
        [kind, ("policyType", "path"), host, user, path]
    }

    /// The policy of a path, if it has one.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`] when it cannot be read.
    pub fn of(manifests: &Manifests, source: &Source) -> Result<Option<Self>> {
        manifests.find(&Self::labels(source)).last().map(|manifest| manifest.data()).transpose()
    }

    /// The manifests that a new policy of the path replaces.
    pub(crate) fn manifests<'a>(manifests: &'a Manifests, source: &Source) -> Vec<&'a Manifest> {
        manifests.find(&Self::labels(source))
    }
}

//! What the API server knows about the fields of built-in kinds, as far as merging needs it.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Made by `xtask`; its first lines describe it.
const TABLE: &str = include_str!("merge-keys.txt");

/// Groups of custom resources that Velero knows as built in; none has a list that is merged but for those of the metadata.
const KNOWN_GROUPS: &[&str] = &["groupsnapshot.storage.k8s.io", "snapshot.storage.k8s.io", "velero.io"];

/// A kind with nothing but metadata.
const PLAIN: &str = "core.v1.ConfigMap";

static TYPES: LazyLock<Types> = LazyLock::new(|| Types::read(TABLE));

/// A type; one without name has no list that is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schema(Option<&'static str>);

/// How a field is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Whether a list is merged; if not, it is replaced.
    pub(super) is_merged: bool,
    /// Whether an object is replaced; if not, it is merged.
    pub(super) is_replaced: bool,
    /// The field of list elements that tells which belong together; `None` for lists of plain values.
    pub(super) key: Option<&'static str>,
    /// Type of the field or of its elements.
    pub(super) inner: Schema,
}

impl Schema {
    /// The type of a built-in kind. A version that is unknown, older or newer, has the lists of a known one.
    pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<Self> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if KNOWN_GROUPS.contains(&group) {
            return Some(Self(Some(PLAIN)));
        }
        let versions = TYPES.kinds.get(&(group, kind))?;
        let known = versions.iter().find(|(known, _)| *known == version).or(versions.first());
        known.map(|(_, name)| Self(Some(name)))
    }

    /// How a field of this type is merged.
    pub(super) fn field(self, name: &str) -> Field {
        let known = self.0.and_then(|type_name| TYPES.fields.get(&(type_name, name)));
        known.copied().unwrap_or(Field { is_merged: false, is_replaced: false, key: None, inner: Self(None) })
    }
}

/// The table, indexed.
#[derive(Default)]
struct Types {
    /// Group and kind to versions with their types.
    kinds: HashMap<(&'static str, &'static str), Vec<(&'static str, &'static str)>>,
    /// Type and field.
    fields: HashMap<(&'static str, &'static str), Field>,
}

impl Types {
    fn read(table: &'static str) -> Self {
        let mut types = Self::default();
        let mut owner = "";
        for line in table.lines() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["kind", api_version, kind, name] => {
                    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
                    types.kinds.entry((group, kind)).or_default().push((version, name));
                }
                ["type", name] => owner = name,
                [field, strategy, key, inner] if !field.starts_with('#') => {
                    let named = |word: &'static str| (word != "-").then_some(word);
                    let has = |wanted: &str| strategy.split(',').any(|strategy| strategy == wanted);
                    let (is_merged, is_replaced) = (has("merge"), has("replace"));
                    let field_of =
                        Field { is_merged, is_replaced, key: named(key), inner: Schema(named(inner)) };
                    types.fields.insert((owner, field), field_of);
                }
                _ => {}
            }
        }
        types
    }
}

#[cfg(test)]
mod tests {
    use super::{Schema, TABLE, TYPES};

    #[test]
    fn the_whole_table_is_read() {
        let count = |head: &str| TABLE.lines().filter(|line| line.starts_with(head)).count();
        let fields = TABLE.lines().count() - count("#") - count("kind ") - count("type ");
        assert_eq!(TYPES.fields.len(), fields);
        assert_eq!(TYPES.kinds.values().map(Vec::len).sum::<usize>(), count("kind "));
        assert!(
            TYPES
                .fields
                .values()
                .all(|field| field.inner.0.is_none_or(|name| TABLE.contains(&format!("\ntype {name}\n"))))
        );
    }

    #[test]
    fn kinds_lead_to_their_lists() {
        let deployment = Schema::of_kind("apps/v1", "Deployment").unwrap();
        let containers =
            deployment.field("spec").inner.field("template").inner.field("spec").inner.field("containers");
        assert_eq!((containers.is_merged, containers.key), (true, Some("name")));
        assert_eq!(containers.inner.field("ports").key, Some("containerPort"));
        assert!(!containers.inner.field("command").is_merged);
        let finalizers = deployment.field("metadata").inner.field("finalizers");
        assert_eq!((finalizers.is_merged, finalizers.key), (true, None));
    }

    #[test]
    fn other_versions_are_like_known_ones_and_custom_kinds_are_unknown() {
        assert_eq!(Schema::of_kind("batch/v1beta1", "CronJob"), Schema::of_kind("batch/v1", "CronJob"));
        assert!(Schema::of_kind("snapshot.storage.k8s.io/v1", "VolumeSnapshot").is_some());
        assert_eq!(Schema::of_kind("cert-manager.io/v1", "Certificate"), None);
        assert_eq!(Schema::of_kind("v1", "Deployment"), None);
    }
}

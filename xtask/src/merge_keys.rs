//! How strategic merge patches merge the lists of built-in kinds, taken from an API server's OpenAPI document (version 2).
//!
//! The table holds only what leads to a list that is not simply replaced: fields with a strategy, and the types on the
//! way to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use serde::Deserialize;

/// Where the engine reads the table.
const TABLE: &str = "crates/engine/src/modify/strategic/merge-keys.txt";

/// Written above the table.
const HEADER: &str = "\
# Generated flat table: do not edit, run `cargo run -p xtask -- gen merge-keys OPENAPI_V2_FILE`.
# kind GROUP/VERSION KIND TYPE
# type TYPE, then its fields: NAME STRATEGY MERGE_KEY TYPE; `-` is none
";

/// Every object has this type's fields; what lacks it is a list or a request.
const METADATA: &str = "meta.v1.ObjectMeta";

#[derive(Deserialize)]
struct Document {
    definitions: BTreeMap<String, Definition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Definition {
    properties: BTreeMap<String, Property>,
    #[serde(rename = "x-kubernetes-group-version-kind")]
    kinds: Vec<TypeName>,
}

#[derive(Deserialize)]
struct TypeName {
    group: String,
    version: String,
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Property {
    #[serde(rename = "$ref")]
    reference: Option<String>,
    items: Option<Box<Property>>,
    #[serde(rename = "x-kubernetes-patch-strategy")]
    strategy: Option<String>,
    #[serde(rename = "x-kubernetes-patch-merge-key")]
    merge_key: Option<String>,
}

impl Property {
    /// The type of the field or of its elements. Maps are left out: none leads to a strategy.
    fn target(&self) -> Option<String> {
        self.reference.as_deref().map(short).or_else(|| self.items.as_ref()?.target())
    }
}

/// Reads an OpenAPI document and writes the table.
pub(crate) fn write(root: &Path, document: &Path) -> Result<()> {
    let text = fs::read_to_string(document)?;
    let document: Document = serde_json::from_str(&text).context("failed to read the OpenAPI document")?;
    fs::write(root.join(TABLE), table(&document)?)?;
    Ok(())
}

fn table(document: &Document) -> Result<String> {
    let types: BTreeMap<String, &Definition> =
        document.definitions.iter().map(|(name, definition)| (short(name), definition)).collect();
    let merged = merging(&types);
    let mut text = HEADER.to_owned();
    for (name, definition) in types.iter().filter(|(_, definition)| is_object(definition)) {
        for TypeName { group, version, kind } in &definition.kinds {
            let slash = if group.is_empty() { "" } else { "/" };
            writeln!(text, "kind {group}{slash}{version} {kind} {name}")?;
        }
    }
    for (name, definition) in types.iter().filter(|(name, _)| merged.contains(*name)) {
        writeln!(text, "type {name}")?;
        for (field, property) in &definition.properties {
            let target = property.target().filter(|target| merged.contains(target));
            if property.strategy.is_none() && target.is_none() {
                continue;
            }
            let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
            let (strategy, key) =
                (or_none(property.strategy.as_deref()), or_none(property.merge_key.as_deref()));
            writeln!(text, "{field} {strategy} {key} {}", or_none(target.as_deref()))?;
        }
    }
    Ok(text)
}

/// Types with a strategy somewhere below them.
fn merging(types: &BTreeMap<String, &Definition>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let leads = |definition: &Definition| {
            definition.properties.values().any(|property| {
                property.strategy.is_some() || property.target().is_some_and(|target| found.contains(&target))
            })
        };
        let more: Vec<_> = types
            .iter()
            .filter(|(name, definition)| !found.contains(*name) && leads(definition))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn is_object(definition: &Definition) -> bool {
    definition.properties.get("metadata").and_then(Property::target).as_deref() == Some(METADATA)
}

/// The last three words of a type's name, such as `core.v1.Pod`: they are unique.
fn short(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    let mut words: Vec<_> = name.rsplit('.').take(3).collect();
    words.reverse();
    words.join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Document, table};

    #[test]
    fn only_what_leads_to_a_strategy_is_in_the_table() {
        let metadata = json!({ "$ref": "#/definitions/io.k8s.meta.v1.ObjectMeta" });
        let document = json!({
            "definitions": {
                "io.k8s.meta.v1.ObjectMeta": { "properties": {
                    "owners": { "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "uid" },
                    "labels": { "type": "object" },
                } },
                "io.k8s.api.apps.v1.Web": {
                    "properties": { "metadata": metadata, "plain": { "items": { "type": "string" } } },
                    "x-kubernetes-group-version-kind": [{ "group": "apps", "version": "v1", "kind": "Web" }],
                },
                "io.k8s.api.apps.v1.WebList": {
                    "properties": { "items": { "items": { "$ref": "#/definitions/io.k8s.api.apps.v1.Web" } } },
                    "x-kubernetes-group-version-kind": [{ "group": "apps", "version": "v1", "kind": "WebList" }],
                },
            },
        });
        let document: Document = serde_json::from_value(document).unwrap();
        let text = table(&document).unwrap();
        let lines: Vec<_> = text.lines().skip_while(|line| line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "kind apps/v1 Web apps.v1.Web",
                "type apps.v1.Web",
                "metadata - - meta.v1.ObjectMeta",
                "type apps.v1.WebList",
                "items - - apps.v1.Web",
                "type meta.v1.ObjectMeta",
                "owners merge uid -",
            ]
        );
    }
}

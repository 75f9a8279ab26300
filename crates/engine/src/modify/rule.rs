//! From YAML to checked rules.

use bowline_api::selector::{LabelSelector, LabelSelectorRequirement};
use serde::Deserialize;
use serde_json::Value;

use super::condition::{Conditions, Match};
use super::json_patch::{self, Action, Operation, Pointer};
use super::{MAX_BYTES, MAX_RULES, ModifierError, PatchError, merge_patch, strategic, value};
use crate::yaml;

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) conditions: Conditions,
    pub(super) patch: Patch,
}

/// What a rule does: one or more patches of one kind.
#[derive(Clone, Debug)]
pub(super) enum Patch {
    Json(Vec<Operation>),
    Merge(Vec<Value>),
    Strategic(Vec<Value>),
}

impl Patch {
    /// The object after the patches; `None` when a `test` failed and it must stay as it is.
    pub(super) fn apply(&self, item: &Value) -> Result<Option<Value>, PatchError> {
        let patched = match self {
            Self::Json(operations) => json_patch::apply(operations, item)?,
            Self::Merge(patches) => Some(patches.iter().fold(item.clone(), merge_patch::apply)),
            Self::Strategic(patches) => Some(patches.iter().try_fold(item.clone(), strategic::apply)?),
        };
        match patched {
            Some(patched) if !is_object(&patched) => Err(PatchError::NoObject),
            patched => Ok(patched),
        }
    }
}

fn is_object(value: &Value) -> bool {
    value["kind"].as_str().is_some_and(|kind| !kind.is_empty()) && value["metadata"].is_object()
}

/// Reads and checks a text of modifiers.
pub(super) fn read(text: &str) -> Result<Vec<Rule>, ModifierError> {
    if text.len() > MAX_BYTES {
        return Err(ModifierError::TooLarge);
    }
    let document: Document = yaml::read(text).map_err(|problem| ModifierError::Syntax { problem })?;
    if !document.version.eq_ignore_ascii_case("v1") {
        return Err(ModifierError::Version { version: document.version });
    }
    match document.resource_modifier_rules.len() {
        0 => return Err(ModifierError::Empty),
        1..=MAX_RULES => {}
        _ => return Err(ModifierError::TooLarge),
    }
    let rules = document.resource_modifier_rules.into_iter().zip(1..);
    rules
        .map(|(rule, number)| rule.check().map_err(|problem| ModifierError::Rule { rule: number, problem }))
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    version: String,
    #[serde(default)]
    resource_modifier_rules: Vec<WireRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct WireRule {
    conditions: WireConditions,
    patches: Vec<WireOperation>,
    merge_patches: Vec<WirePatch>,
    strategic_patches: Vec<WirePatch>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WireConditions {
    namespaces: Vec<String>,
    group_resource: String,
    resource_name_regex: String,
    label_selector: Option<WireSelector>,
    matches: Vec<WireMatch>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WireSelector {
    match_labels: Option<std::collections::BTreeMap<String, String>>,
    match_expressions: Option<Vec<WireRequirement>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRequirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WireMatch {
    path: String,
    value: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WireOperation {
    operation: String,
    from: String,
    path: String,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WirePatch {
    patch_data: String,
}

impl WireRule {
    fn check(self) -> Result<Rule, String> {
        let conditions = self.conditions.check()?;
        let patch = match (self.patches.len(), self.merge_patches.len(), self.strategic_patches.len()) {
            (0, 0, 0) => return Err("no patches: give patches, mergePatches or strategicPatches".to_owned()),
            (_, 0, 0) => Patch::Json(numbered(self.patches, WireOperation::check)?),
            (0, _, 0) => Patch::Merge(numbered(self.merge_patches, WirePatch::check)?),
            (0, 0, _) => Patch::Strategic(numbered(self.strategic_patches, WirePatch::check)?),
            _ => {
                return Err("only one of patches, mergePatches, strategicPatches can be specified".to_owned());
            }
        };
        Ok(Rule { conditions, patch })
    }
}

fn numbered<F, T>(patches: Vec<F>, check: impl Fn(F) -> Result<T, String>) -> Result<Vec<T>, String> {
    let patches = patches.into_iter().zip(1..);
    patches
        .map(|(patch, number)| check(patch).map_err(|problem| format!("patch {number}: {problem}")))
        .collect()
}

impl WireConditions {
    fn check(self) -> Result<Conditions, String> {
        if self.group_resource.is_empty() {
            return Err("conditions.groupResource cannot be empty".to_owned());
        }
        let matches = self.matches.into_iter().map(|wire| {
            let path = Pointer::parse(&value::unescape(&wire.path))
                .map_err(|problem| format!("conditions.matches: {problem}"))?;
            Ok(Match { path, value: value::typed(&wire.value.unwrap_or_default())? })
        });
        let matches = matches.collect::<Result<_, String>>()?;
        let selector = self.label_selector.map(LabelSelector::from);
        Conditions::new(&self.namespaces, &self.group_resource, &self.resource_name_regex, selector, matches)
    }
}

impl From<WireSelector> for LabelSelector {
    fn from(wire: WireSelector) -> Self {
        let requirement =
            |WireRequirement { key, operator, values }| LabelSelectorRequirement { key, operator, values };
        Self {
            match_labels: wire.match_labels,
            match_expressions: wire.match_expressions.map(|list| list.into_iter().map(requirement).collect()),
        }
    }
}

impl WireOperation {
    fn check(self) -> Result<Operation, String> {
        let path = Pointer::parse(&value::unescape(&self.path))?;
        let new = || value::typed(self.value.as_deref().unwrap_or_default());
        let from =
            || Pointer::parse(&value::unescape(&self.from)).map_err(|problem| format!("from: {problem}"));
        let action = match self.operation.to_ascii_lowercase().as_str() {
            "add" => Action::Add(new()?),
            "remove" => Action::Remove,
            "replace" => Action::Replace(new()?),
            "test" => Action::Test(new()?),
            "move" => Action::Move(from()?),
            "copy" => Action::Copy(from()?),
            "" => return Err("operation cannot be empty".to_owned()),
            _ => return Err(format!("unsupported operation {:?}", self.operation)),
        };
        Ok(Operation { action, path })
    }
}

impl WirePatch {
    fn check(self) -> Result<Value, String> {
        let patch: Value = yaml::read(&self.patch_data).map_err(|problem| format!("patchData: {problem}"))?;
        if patch.is_object() { Ok(patch) } else { Err("patchData must be an object".to_owned()) }
    }
}

//! Resource modifiers: patches that change objects while they are restored (behaviour §3.6).
//!
//! A ConfigMap holds rules; a rule has conditions and patches of one kind: JSON patch, merge patch or strategic merge patch.
//! Everything is checked and compiled when the ConfigMap is read, so that a mistake is found before anything is restored.

mod condition;
mod glob;
mod json_patch;
mod merge_patch;
mod rule;
mod strategic;
mod value;

use std::collections::BTreeMap;

use bowline_api::reference::LocalReference;
use bowline_api::resource::GroupResource;
use serde_json::Value;
use thiserror::Error;

use rule::Rule;
pub use strategic::StrategicError;

/// The largest text of modifiers, in bytes: what fits into a ConfigMap.
const MAX_BYTES: usize = 1 << 20;
/// The most rules of one ConfigMap.
const MAX_RULES: usize = 1000;

/// Why the content of a ConfigMap is not a set of modifiers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModifierError {
    /// There is no data key or more than one.
    #[error("a ConfigMap of resource modifiers has exactly one data key, this one has {found}")]
    DataKeys {
        /// How many there are.
        found: usize,
    },
    /// The text is larger than a ConfigMap may be, or has more rules than anyone needs.
    #[error(
        "the resource modifiers are too large: at most {MAX_BYTES} bytes and {MAX_RULES} rules are allowed"
    )]
    TooLarge,
    /// The text is not YAML, or not of the right shape.
    #[error("failed to read the resource modifiers: {problem}")]
    Syntax {
        /// What is wrong, with line and column.
        problem: String,
    },
    /// `version` is not `v1`.
    #[error("unsupported resource modifier version {version:?}, must be \"v1\"")]
    Version {
        /// What is there instead.
        version: String,
    },
    /// There are no rules.
    #[error("resource modifier rules cannot be empty")]
    Empty,
    /// A rule can never work.
    #[error("rule {rule}: {problem}")]
    Rule {
        /// Its place in the list, from 1.
        rule: usize,
        /// What is wrong.
        problem: String,
    },
}

/// A rule that fits an object but could not be applied to it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("failed to apply rule {rule} of the resource modifiers")]
pub struct RuleError {
    /// The rule's place in the list, from 1.
    pub rule: usize,
    /// Why not.
    #[source]
    pub problem: PatchError,
}

/// Why a patch does not apply to an object.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatchError {
    /// An operation of a JSON patch is not possible.
    #[error("patch {number}: cannot {operation} {path:?}: {problem}")]
    Operation {
        /// The operation's place in the rule, from 1.
        number: usize,
        /// `add`, `remove` and so on.
        operation: &'static str,
        /// The path that the problem is about: `path`, or `from` where that is what is missing.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A strategic merge patch is for a kind whose lists nobody knows how to merge.
    #[error(
        "strategic merge patches are for built-in kinds only, not for {kind} of {api_version}: use mergePatches or patches"
    )]
    UnknownKind {
        /// The object's `apiVersion`.
        api_version: String,
        /// The object's `kind`.
        kind: String,
    },
    /// A strategic merge patch is wrong in itself or does not fit the object.
    #[error("failed to merge the strategic patch")]
    Strategic(#[source] StrategicError),
    /// The patch would leave something without a kind.
    #[error("the patch leaves no object with a kind and metadata")]
    NoObject,
}

/// What became of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether a rule changed it. `false` also when every rule that fits held back because of a failed `test`.
    pub changed: bool,
    /// Rules that fit but failed; each of them left the object as it was.
    pub errors: Vec<RuleError>,
}

/// The name of the ConfigMap whose modifiers a restore uses (behaviour §1.3 and §11): its own, or else the server's default
/// unless the restore has opted out of that. A reference to another kind is none, as in Velero.
pub fn config_map<'a>(
    own: Option<&'a LocalReference>,
    default: Option<&'a str>,
    skip_default: bool,
) -> Option<&'a str> {
    let own = own.filter(|own| own.kind.eq_ignore_ascii_case("configmap")).map(|own| own.name.as_str());
    own.or_else(|| default.filter(|name| !skip_default && !name.is_empty()))
}

/// The checked rules of a ConfigMap.
#[derive(Clone, Debug)]
pub struct Modifiers {
    rules: Vec<Rule>,
}

impl Modifiers {
    /// Reads the data of a ConfigMap: one key, whatever its name, whose value is strict YAML or JSON.
    pub fn parse(data: &BTreeMap<String, String>) -> Result<Self, ModifierError> {
        let mut texts = data.values();
        let (Some(text), None) = (texts.next(), texts.next()) else {
            return Err(ModifierError::DataKeys { found: data.len() });
        };
        let rules = rule::read(text)?;
        Ok(Self { rules })
    }

    /// Whether a rule may fit objects of a resource. Objects of other resources need not be decoded.
    pub fn concern(&self, resource: &GroupResource) -> bool {
        let name = resource.to_string();
        self.rules.iter().any(|rule| rule.conditions.fit_resource(&name))
    }

    /// Applies all rules that fit, in their order. Conditions look at the object as it came, with the namespace and labels it
    /// has in the backup; patches build on each other. A rule that fails changes nothing, and the next ones still run.
    pub fn apply(&self, item: &mut Value, resource: &GroupResource) -> Outcome {
        let name = resource.to_string();
        let fitting: Vec<_> =
            self.rules.iter().zip(1..).filter(|(rule, _)| rule.conditions.fit(item, &name)).collect();
        let mut outcome = Outcome::default();
        for (rule, number) in fitting {
            match rule.patch.apply(item) {
                Ok(Some(patched)) => {
                    outcome.changed |= patched != *item;
                    *item = patched;
                }
                Ok(None) => {}
                Err(problem) => outcome.errors.push(RuleError { rule: number, problem }),
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests;

//! Judges whether a restored object is what was backed up.
//!
//! [`differences`] compares two objects leaf by leaf and strikes out only what a rule of the given list explains. The rules
//! for a restore are [`RESTORED`]; an empty list asks for identical objects. [`Report`] does it for all objects of two snapshots.

mod canonical;
mod change;
mod report;
mod rules;
mod slices;

use serde_json::Value;

use canonical::canonical;
pub use change::Change;
pub use report::{Finding, Report, Row};
pub use rules::{RESTORED, Rule};

/// The changes from `before` to `after` that no rule explains, in the order of the object's fields.
pub fn differences(before: &Value, after: &Value, rules: &[Rule]) -> Vec<Change> {
    let (before, after) = (canonical(before), canonical(after));
    let explained = |change: &Change| rules.iter().any(|rule| (rule.allows)(change, &before, &after));
    change::changes(&before, &after).into_iter().filter(|change| !explained(change)).collect()
}

#[cfg(test)]
mod tests;

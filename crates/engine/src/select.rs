//! What belongs to a backup or a restore: namespaces, resources, labels, and the policies of a ConfigMap.

pub mod label;
pub mod namespace;
pub mod pattern;
pub mod policy;
pub mod resource;
mod selection;

pub use selection::{CheckedSpec, Selection};

/// The rules for a pair of lists of names, in Velero's words.
fn list_problems(includes: &[String], excludes: &[String]) -> Vec<String> {
    let star = |list: &[String]| list.iter().any(|text| text == "*");
    let mut problems = Vec::new();
    if includes.len() > 1 && star(includes) {
        problems.push("includes list must either contain '*' only, or a non-empty list of items".to_owned());
    }
    if star(excludes) {
        problems.push("excludes list cannot contain '*'".to_owned());
    }
    problems.extend(overlaps(includes, excludes));
    problems
}

fn overlaps(includes: &[String], excludes: &[String]) -> impl Iterator<Item = String> {
    excludes
        .iter()
        .filter(|item| *item != "*" && includes.contains(item))
        .map(|item| format!("excludes list cannot contain an item in the includes list: {item}"))
}

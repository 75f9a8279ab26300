//! What belongs to a backup or a restore: namespaces, resources, labels, and the policies of a ConfigMap.

pub mod label;
pub mod namespace;
pub mod pattern;
pub mod policy;
pub mod resource;
mod selection;

pub use selection::{CheckedSpec, Selection};

/// What is wrong with a list of what is included and one of what is excluded, in Velero's words.
pub fn list_problems(includes: &[String], excludes: &[String]) -> Vec<String> {
    let mut problems = star_is_not_alone("includes", includes);
    if excludes.iter().any(|text| text == "*") {
        problems.push("excludes list cannot contain '*'".to_owned());
    }
    problems.extend(overlaps(includes, excludes));
    problems
}

fn star_is_not_alone(list: &str, texts: &[String]) -> Vec<String> {
    let star = texts.iter().any(|text| text == "*");
    let problem = || format!("{list} list must either contain '*' only, or a non-empty list of items");
    (star && texts.iter().any(|text| text != "*")).then(problem).into_iter().collect()
}

fn overlaps(includes: &[String], excludes: &[String]) -> impl Iterator<Item = String> {
    excludes.iter().filter(|item| *item != "*" && includes.contains(item)).map(|item| in_both(item))
}

/// What is said of a name that is in both lists.
pub(crate) fn in_both(item: &str) -> String {
    format!("excludes list cannot contain an item in the includes list: {item}")
}

//! Which namespaces backups and restores work on, and whose turn it is among those that share one.

use std::sync::Arc;

use bowline_api::{Restore, RestorePhase};
use bowline_engine::select::pattern::Pattern;
use kube::ResourceExt;

/// Whether two lists of names and patterns may mean a namespace in common. An empty list means all; two patterns are taken for
/// wider than they are.
pub(super) fn overlap(a: &[String], b: &[String]) -> bool {
    let everything = |list: &[String]| list.is_empty() || list.iter().any(|name| name == "*");
    everything(a) || everything(b) || a.iter().any(|a| b.iter().any(|b| same(a, b)))
}

fn same(a: &str, b: &str) -> bool {
    let is_pattern = |name: &str| name.contains(['*', '?', '[']);
    match (is_pattern(a), is_pattern(b)) {
        (false, false) => a == b,
        (true, true) => true,
        (true, false) => matches(a, b),
        (false, true) => matches(b, a),
    }
}

/// A pattern that can't be read will be refused later; until then it is taken for everything.
fn matches(pattern: &str, name: &str) -> bool {
    Pattern::parse(pattern).map_or(true, |pattern| pattern.matches(name))
}

/// The namespaces that a restore writes to.
fn targets(restore: &Restore) -> Vec<String> {
    let spec = &restore.spec;
    let mapped = |name: &String| spec.namespace_mapping.get(name).unwrap_or(name).clone();
    let mut targets: Vec<_> = spec.included_namespaces.iter().map(mapped).collect();
    if !targets.is_empty() {
        // A pattern may mean a namespace that goes elsewhere.
        targets.extend(spec.namespace_mapping.values().cloned());
    }
    targets
}

/// Whether no other restore into one of the same namespaces is at work, or has waited for longer.
pub(super) fn is_its_turn(name: &str, restores: &[Arc<Restore>]) -> bool {
    let Some(restore) = restores.iter().find(|restore| restore.name_any() == name) else { return true };
    let place = |restore: &Restore| (restore.metadata.creation_timestamp.clone(), restore.name_any());
    let is_ahead = |other: &Restore| match other.phase() {
        RestorePhase::InProgress => true,
        RestorePhase::New => place(other) < place(restore),
        RestorePhase::Other(phase) if phase.is_empty() => place(other) < place(restore),
        _ => false,
    };
    let others = restores
        .iter()
        .filter(|other| other.name_any() != name && other.metadata.deletion_timestamp.is_none());
    let own = targets(restore);
    !others.into_iter().any(|other| is_ahead(other) && overlap(&own, &targets(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_overlap_when_a_namespace_may_be_in_both() {
        for (a, b, expected) in [
            (vec!["a"], vec!["b"], false),
            (vec!["a", "b"], vec!["b"], true),
            (vec![], vec!["b"], true),
            (vec!["*"], vec!["b"], true),
            (vec!["a*"], vec!["ab"], true),
            (vec!["a*"], vec!["b"], false),
        ] {
            assert_eq!(overlap(&names(&a), &names(&b)), expected, "{a:?} {b:?}");
        }
    }

    fn restore(name: &str, phase: RestorePhase, created: i64, namespaces: &[&str]) -> Restore {
        let mut restore = Restore::default();
        restore.metadata.name = Some(name.into());
        let created = jiff::Timestamp::from_second(created).unwrap();
        restore.metadata.creation_timestamp = Some(bowline_api::Time(created));
        restore.spec.included_namespaces = names(namespaces);
        restore.status.phase = Some(phase);
        restore
    }

    #[test]
    fn restores_into_different_namespaces_run_at_once_and_others_one_after_the_other() {
        let mut mapped = restore("mapped", RestorePhase::New, 4, &["a"]);
        mapped.spec.namespace_mapping = [("a".to_owned(), "z".to_owned())].into();
        let all = [
            Arc::new(restore("running", RestorePhase::InProgress, 3, &["a"])),
            Arc::new(restore("same", RestorePhase::New, 1, &["a"])),
            Arc::new(restore("first", RestorePhase::New, 1, &["b"])),
            Arc::new(restore("second", RestorePhase::New, 2, &["b", "c"])),
            Arc::new(restore("done", RestorePhase::Completed, 0, &["b"])),
            Arc::new(mapped),
        ];
        let waits = all.iter().filter(|restore| restore.phase() == RestorePhase::New);
        let turns: Vec<_> = waits.map(|r| r.name_any()).filter(|name| is_its_turn(name, &all)).collect();
        assert_eq!(turns, ["first", "mapped"]);
    }
}

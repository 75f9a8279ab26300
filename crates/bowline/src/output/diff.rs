//! What differs between a backup and the cluster or another backup: as tables, and as one object.

use std::fmt::Write;

use bowline_engine::catalog::GroupResource;
use bowline_engine::diff::{DiffCounts, Difference, FieldChange, What};
use bowline_server::operation::DiffReport;
use serde_json::Value;

use super::{plan, tabs};

/// Longest value of a field that is shown.
const VALUE: usize = 60;

/// The differences for people: numbers of the kinds that differ, then every object that does but events, which come and go all the
/// time, then what could not be looked at.
/// Results of writing to a string are dropped, as that can't fail.
pub(crate) fn tables(report: &DiffReport) -> String {
    let mut text = "RESOURCE\tADDED\tREMOVED\tCHANGED\tEQUAL\n".to_owned();
    for (resource, counts) in report.diff.counts.iter().filter(|(_, counts)| differs(counts)) {
        text.push_str(&numbers(&resource.to_string(), counts));
    }
    text.push_str(&numbers("all", &report.diff.total()));
    let (events, listed): (Vec<_>, Vec<_>) =
        report.diff.differences.iter().partition(|one| is_event(&one.resource) && one.fields.is_empty());
    if !listed.is_empty() {
        text.push_str("\nCHANGE\tRESOURCE\tNAMESPACE\tNAME\n");
    }
    for one in listed {
        let Difference { resource, key, .. } = one;
        let namespace = key.namespace.as_deref().unwrap_or("-");
        let _ = writeln!(text, "{}\t{resource}\t{namespace}\t{}", word(one.change), key.name);
    }
    let mut text = tabs::expand(&text, tabs::TABLE);
    if report.diff.not_listed > 0 {
        let _ = writeln!(text, "and {} more", report.diff.not_listed);
    }
    if !events.is_empty() {
        text.push_str("Events come and go, and are only counted; -o name or json lists them too.\n");
    }
    for one in report.diff.differences.iter().filter(|one| !one.fields.is_empty()) {
        let _ = writeln!(text, "\n{}:", name(one));
        one.fields.iter().for_each(|change| text.push_str(&field(change)));
    }
    text + &plan::findings(&report.findings)
}

fn is_event(resource: &GroupResource) -> bool {
    resource.resource == "events" && ["", "events.k8s.io"].contains(&resource.group.as_str())
}

fn differs(counts: &DiffCounts) -> bool {
    counts.added + counts.removed + counts.changed > 0
}

fn numbers(name: &str, counts: &DiffCounts) -> String {
    let DiffCounts { added, removed, changed, equal } = counts;
    format!("{name}\t{added}\t{removed}\t{changed}\t{equal}\n")
}

fn word(change: What) -> &'static str {
    match change {
        What::Added => "added",
        What::Removed => "removed",
        What::Changed => "changed",
    }
}

fn field(change: &FieldChange) -> String {
    let mut text = format!("  {}\n", change.path);
    for (sign, value) in [('-', &change.before), ('+', &change.after)] {
        if let Some(value) = value {
            let _ = writeln!(text, "    {sign} {}", short(&value.to_string()));
        }
    }
    text
}

fn short(value: &str) -> String {
    match value.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}… ({} bytes)", &value[..end], value.len()),
        None => value.to_owned(),
    }
}

/// `resource/namespace/name`.
fn name(one: &Difference) -> String {
    let namespace = one.key.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{}/{namespace}{}", one.resource, one.key.name)
}

/// A line for each object that differs.
pub(crate) fn names(report: &DiffReport) -> String {
    let line = |one: &Difference| format!("{} {}\n", word(one.change), name(one));
    report.diff.differences.iter().map(line).collect()
}

/// The differences for programs.
pub(crate) fn object(report: &DiffReport) -> serde_json::Result<Value> {
    let mut object = serde_json::to_value(&report.diff)?;
    object["findings"] = plan::findings_object(&report.findings);
    Ok(object)
}

#[cfg(test)]
mod tests {
    use bowline_api::resource::ObjectKey;
    use bowline_engine::catalog::GroupResource;
    use bowline_engine::diff::{Diff, DiffCounts, Difference, FieldChange, What};
    use bowline_server::operation::DiffReport;
    use serde_json::json;

    fn report() -> DiffReport {
        let deployments = GroupResource::new("apps", "deployments");
        let fields = vec![
            FieldChange { path: "spec.replicas".into(), before: Some(json!(2)), after: Some(json!(3)) },
            FieldChange {
                path: "metadata.labels.tier".into(),
                before: None,
                after: Some(json!("x".repeat(90))),
            },
        ];
        let key = |name: &str| ObjectKey::namespaced("shop", name);
        let one = |name: &str, change, fields| Difference {
            resource: deployments.clone(),
            key: key(name),
            change,
            fields,
        };
        let counts = DiffCounts { added: 1, removed: 0, changed: 1, equal: 7 };
        let diff = Diff {
            counts: [(deployments.clone(), counts)].into(),
            differences: vec![one("new", What::Added, vec![]), one("web", What::Changed, fields)],
            not_listed: 0,
        };
        DiffReport { diff, findings: Vec::new() }
    }

    #[test]
    fn numbers_come_first_then_objects_then_fields() {
        insta::assert_snapshot!(super::tables(&report()));
    }

    #[test]
    fn events_are_counted_and_hide_nothing() {
        let mut report = report();
        let event = GroupResource::new("", "events");
        let key = ObjectKey::namespaced("shop", "web.18ea303d9d776436");
        report.diff.counts.insert(event.clone(), DiffCounts { added: 0, removed: 1, changed: 0, equal: 0 });
        report.diff.differences.push(Difference {
            resource: event,
            key,
            change: What::Removed,
            fields: vec![],
        });
        let text = super::tables(&report);
        assert!(text.contains("events") && text.contains("are only counted"), "{text}");
        assert!(!text.contains("web.18ea") && text.contains("web"), "{text}");
        assert!(super::names(&report).contains("removed events/shop/web.18ea"), "{}", super::names(&report));
    }

    #[test]
    fn programs_find_the_same() {
        let object = super::object(&report()).unwrap();
        assert_eq!(object["differences"][1]["fields"][0]["path"], "spec.replicas");
        assert_eq!(object["findings"], json!([]));
        assert_eq!(super::names(&report()).lines().next(), Some("added deployments.apps/shop/new"));
    }
}

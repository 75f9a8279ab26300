//! What a restore would do: as tables, and as one object.

use std::collections::BTreeMap;
use std::fmt::Write;

use bowline_engine::diff::FieldChange;
use bowline_engine::finding::{Finding, Level, Place};
use bowline_engine::restore::{Plan, PlannedItem};
use serde_json::{Value, json};

use super::tabs;

/// What can happen to an object, in the order of the columns.
const ACTIONS: [&str; 4] = ["create", "update", "skip", "fail"];

/// Numbers of objects by kind and action.
type Counts = BTreeMap<String, [u64; ACTIONS.len()]>;

fn counts(plan: &Plan) -> Counts {
    let mut counts = Counts::new();
    for item in &plan.items {
        let kind = counts.entry(item.kind.kind.clone()).or_default();
        if let Some(at) = ACTIONS.iter().position(|action| *action == item.step.action()) {
            kind[at] += 1;
        }
    }
    counts
}

/// The plan for people: numbers by kind, then every object, then what is left out unread, then warnings and errors.
pub(crate) fn tables(plan: &Plan) -> String {
    let mut text = numbers(&counts(plan));
    text.push_str("\nACTION\tKIND\tOBJECT AND REASON\n");
    for item in &plan.items {
        // Names may be so long that a column of them would push the reasons out of sight.
        text.push_str(&row([item.step.action(), &item.kind.kind, &format!("{}{}", item.key, why(item))]));
    }
    if !plan.left_out.is_empty() {
        text.push_str("\nLEFT OUT\tNAMESPACE\tCOUNT\tREASON\n");
        for left in &plan.left_out {
            let namespace = left.namespace.as_deref().unwrap_or_default();
            let cells = [left.resource.to_string(), left.count.to_string(), left.reason.to_string()];
            text.push_str(&row([&cells[0], namespace, &cells[1], &cells[2]]));
        }
    }
    tabs::expand(&text, tabs::TABLE) + &findings(&plan.findings)
}

/// The reason of a step, and the fields in which an existing object differs.
fn why(item: &PlannedItem) -> String {
    let parts = [String::new(), item.step.reason().unwrap_or_default(), fields(&item.changes)];
    let told = parts.iter().enumerate().filter(|(at, part)| *at == 0 || !part.is_empty());
    told.map(|(_, part)| part.as_str()).collect::<Vec<_>>().join(": ")
}

/// The first fields that differ.
fn fields(changes: &[FieldChange]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = changes.iter().take(SHOWN).map(|change| change.path.as_str()).collect();
    let more = match changes.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &more
}

/// Warnings and errors, a line each, behind an empty line; nothing when there are none.
pub(super) fn findings(findings: &[Finding]) -> String {
    let mut text = if findings.is_empty() { String::new() } else { "\n".to_owned() };
    for finding in findings {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}: {}{}", level(finding), subject(finding), finding.message);
    }
    text
}

fn numbers(counts: &Counts) -> String {
    let line = |name: &str, numbers: &[u64; ACTIONS.len()]| {
        row([
            name,
            &numbers[0].to_string(),
            &numbers[1].to_string(),
            &numbers[2].to_string(),
            &numbers[3].to_string(),
        ])
    };
    let total = counts
        .values()
        .fold([0; ACTIONS.len()], |sum, numbers| std::array::from_fn(|at| sum[at] + numbers[at]));
    let rows = counts.iter().map(|(kind, numbers)| line(kind, numbers));
    let header = row(["KIND", "CREATE", "UPDATE", "SKIP", "FAIL"]);
    std::iter::once(header).chain(rows).chain([line("all", &total)]).collect()
}

/// One line of a table. A tab or newline inside a cell would break it.
fn row<const N: usize>(cells: [&str; N]) -> String {
    cells.map(|cell| cell.replace(['\t', '\n'], " ")).join("\t") + "\n"
}

fn level(finding: &Finding) -> &'static str {
    match finding.level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

/// The object that a finding is about.
fn subject(finding: &Finding) -> String {
    let namespace = namespace(finding).map(|name| format!("{name}/")).unwrap_or_default();
    match (&finding.resource, &finding.name) {
        (Some(resource), Some(name)) => format!("{resource} {namespace}{name}: "),
        (Some(resource), None) => format!("{resource}: "),
        _ => String::new(),
    }
}

fn namespace(finding: &Finding) -> Option<&str> {
    match &finding.place {
        Place::Namespace(name) => Some(name),
        Place::Cluster | Place::Velero => None,
    }
}

/// The plan for programs.
pub(crate) fn object(plan: &Plan) -> serde_json::Result<Value> {
    let counts: BTreeMap<String, BTreeMap<&str, u64>> = counts(plan)
        .into_iter()
        .map(|(kind, numbers)| (kind, ACTIONS.into_iter().zip(numbers).collect()))
        .collect();
    Ok(json!({
        "counts": counts,
        "items": serde_json::to_value(&plan.items)?,
        "leftOut": serde_json::to_value(&plan.left_out)?,
        "findings": findings_object(&plan.findings),
    }))
}

/// Warnings and errors for programs.
pub(super) fn findings_object(findings: &[Finding]) -> Value {
    let object = |finding: &Finding| {
        json!({
            "level": level(finding),
            "resource": finding.resource.as_ref().map(ToString::to_string),
            "namespace": namespace(finding),
            "name": finding.name,
            "message": finding.message,
        })
    };
    findings.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use bowline_api::resource::{GroupVersionKind, ObjectKey};
    use bowline_engine::catalog::GroupResource;
    use bowline_engine::finding::{Finding, Level};
    use bowline_engine::restore::{LeftOut, Plan, PlannedItem, Skip, Step};

    fn plan() -> Plan {
        let item = |kind: &str, name: &str, step| PlannedItem {
            kind: GroupVersionKind::new("", "v1", kind),
            key: ObjectKey::namespaced("shop", name),
            step,
            changes: Vec::new(),
        };
        Plan {
            items: vec![
                item("Secret", "key", Step::Skip(Skip::Unchanged)),
                item("Pod", "web", Step::Create),
                item("Pod", "job", Step::Skip(Skip::Completed)),
                item("Pod", "old", Step::Update),
            ],
            left_out: vec![LeftOut {
                resource: GroupResource::new("", "events"),
                namespace: Some("shop".into()),
                count: 12,
                reason: Skip::ResourceExcluded,
            }],
            findings: vec![Finding::about(
                Level::Warning,
                &GroupResource::new("", "pods"),
                Some("shop"),
                "web",
                "hm",
            )],
        }
    }

    #[test]
    fn numbers_come_first_then_every_object_with_its_reason() {
        insta::assert_snapshot!(super::tables(&plan()));
    }

    #[test]
    fn programs_find_the_same() {
        let object = super::object(&plan()).unwrap();
        assert_eq!(
            object["counts"]["Pod"],
            serde_json::json!({ "create": 1, "update": 1, "skip": 1, "fail": 0 })
        );
        assert_eq!(
            (object["items"][1]["name"].as_str(), object["items"][1]["action"].as_str()),
            (Some("web"), Some("create"))
        );
        assert_eq!(object["leftOut"][0]["count"], 12);
        assert_eq!(object["findings"][0]["level"], "warning");
    }
}

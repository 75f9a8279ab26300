//! The comparison of two snapshots: a table by kind, and every finding by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::{Change, Rule, differences, slices};
use crate::{ObjectKey, Snapshot};

/// What became of the objects of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Row {
    /// How many there were.
    pub before: usize,
    /// How many of those are there again.
    pub restored: usize,
    /// How many of those are what they were.
    pub equal: usize,
}

/// Something that should not be so.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The object is not there any more.
    Missing(ObjectKey),
    /// The object was not there before.
    Unexpected(ObjectKey),
    /// The object is there, but not as it was.
    Changed(ObjectKey, Change),
}

/// The result of comparing two snapshots.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Counts by kind and group.
    pub rows: BTreeMap<String, Row>,
    /// What is wrong, by object.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Compares every object of two snapshots under a list of rules, usually [`super::RESTORED`]. The EndpointSlices that
    /// controllers make for a Service are compared together, because their names and number mean nothing.
    pub fn compare(before: &Snapshot, after: &Snapshot, rules: &[Rule]) -> Self {
        let (before, after) = (slices::by_service(before), slices::by_service(after));
        let mut report = Self::default();
        let keys: BTreeSet<_> = before.objects.keys().chain(after.objects.keys()).collect();
        for key in keys {
            report.add(key, before.objects.get(key), after.objects.get(key), rules);
        }
        report
    }

    /// Whether nothing is wrong.
    pub fn is_equal(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, key: &ObjectKey, before: Option<&Value>, after: Option<&Value>, rules: &[Rule]) {
        match (before, after) {
            (Some(old), Some(new)) => {
                let changes = differences(old, new, rules);
                let row = self.row(key);
                row.before += 1;
                row.restored += 1;
                row.equal += usize::from(changes.is_empty());
                self.findings.extend(changes.into_iter().map(|change| Finding::Changed(key.clone(), change)));
            }
            (Some(_), None) => {
                self.row(key).before += 1;
                self.findings.push(Finding::Missing(key.clone()));
            }
            (None, Some(_)) => self.findings.push(Finding::Unexpected(key.clone())),
            (None, None) => {}
        }
    }

    fn row(&mut self, key: &ObjectKey) -> &mut Row {
        self.rows.entry(key.kind_and_group()).or_default()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "{key} is missing"),
            Self::Unexpected(key) => write!(f, "{key} was not there before"),
            Self::Changed(key, change) => write!(f, "{key} {change}"),
        }
    }
}

/// The table, then one line for each finding.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.keys().map(String::len).max().unwrap_or_default();
        let mut line = |kind: &str, row: [&dyn fmt::Display; 3]| {
            writeln!(f, "{kind:<width$} {:>8} {:>10} {:>8}", row[0], row[1], row[2])
        };
        line("KIND", [&"BEFORE", &"RESTORED", &"EQUAL"])?;
        let mut total = Row::default();
        for (kind, row) in &self.rows {
            line(kind, [&row.before, &row.restored, &row.equal])?;
            total.before += row.before;
            total.restored += row.restored;
            total.equal += row.equal;
        }
        line(&format!("{} kinds", self.rows.len()), [&total.before, &total.restored, &total.equal])?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

//! Tables of objects, as `kubectl get` prints them.

use std::collections::BTreeMap;

use bowline_api::Kind;

use super::tabs;
use super::time::Now;

/// A kind that has a table.
pub(crate) trait Listed: Kind {
    /// Columns of the table.
    const COLUMNS: &'static [&'static str];
    /// Further columns of `-o wide`.
    const WIDE: &'static [&'static str] = &[];

    /// The row of one object, a cell for each of the columns, then of the wide ones.
    fn row(&self, now: &Now) -> Vec<String>;

    /// Brings objects into the order of the table. By default that of their names.
    fn sort(objects: &mut [&Self]) {
        objects.sort_by_key(|object| object.meta().name.clone());
    }
}

/// What to show besides the columns of the kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// The columns of `-o wide`.
    pub(crate) wide: bool,
    /// A column with all labels.
    pub(crate) labels: bool,
    /// A column for each of these labels.
    pub(crate) label_columns: Vec<String>,
}

/// The table of some objects; nothing at all when there are none.
pub(crate) fn render<K: Listed>(objects: &[&K], extra: &Extra, now: &Now) -> String {
    if objects.is_empty() {
        return String::new();
    }
    let mut sorted = objects.to_vec();
    K::sort(&mut sorted);
    let mut lines = vec![header::<K>(extra)];
    lines.extend(sorted.into_iter().map(|object| cells(object, extra, now)));
    let text: Vec<String> = lines.iter().map(|cells| cells.join("\t")).collect();
    tabs::expand(&(text.join("\n") + "\n"), tabs::TABLE)
}

fn header<K: Listed>(extra: &Extra) -> Vec<String> {
    let wide = if extra.wide { K::WIDE } else { &[] };
    let mut cells: Vec<String> = K::COLUMNS.iter().chain(wide).map(|name| (*name).to_owned()).collect();
    cells.extend(extra.label_columns.iter().map(|label| {
        let short = label.rsplit('/').next().unwrap_or(label);
        short.to_uppercase()
    }));
    if extra.labels {
        cells.push("LABELS".to_owned());
    }
    cells
}

fn cells<K: Listed>(object: &K, extra: &Extra, now: &Now) -> Vec<String> {
    let mut cells = object.row(now);
    if !extra.wide {
        cells.truncate(K::COLUMNS.len());
    }
    let none = BTreeMap::new();
    let labels = object.meta().labels.as_ref().unwrap_or(&none);
    cells.extend(extra.label_columns.iter().map(|label| labels.get(label).cloned().unwrap_or_default()));
    if extra.labels {
        let all: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        cells.push(if all.is_empty() { "<none>".to_owned() } else { all.join(",") });
    }
    // A tab or newline inside a cell would break the table, and other control characters the terminal behind a pager.
    cells.iter().map(|cell| cell.replace(char::is_control, " ")).collect()
}

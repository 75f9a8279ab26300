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

/// The columns of a table whose rows come one after the other, as with `--watch`: later rows stand below the first ones.
pub(crate) struct Columns {
    /// Width of each column, its padding included.
    widths: Vec<usize>,
    /// Nothing has been printed yet, so that the header comes with the first row.
    is_empty: bool,
}

impl Columns {
    /// Those of a table that has been printed.
    pub(crate) fn of<K: Listed>(printed: &[&K], extra: &Extra, now: &Now) -> Self {
        let mut columns = Self { widths: Vec::new(), is_empty: printed.is_empty() };
        columns.widen(&header::<K>(extra));
        for object in printed {
            columns.widen(&cells(*object, extra, now));
        }
        columns
    }

    /// The next row. A cell that is too wide for its column makes that wider from here on, as in `kubectl`.
    pub(crate) fn row<K: Listed>(&mut self, object: &K, extra: &Extra, now: &Now) -> String {
        let mut lines = vec![cells(object, extra, now)];
        if std::mem::take(&mut self.is_empty) {
            lines.insert(0, header::<K>(extra));
        }
        for line in &lines {
            self.widen(line);
        }
        lines.iter().map(|line| self.line(line)).collect()
    }

    fn widen(&mut self, cells: &[String]) {
        self.widths.resize(cells.len().max(self.widths.len()), tabs::TABLE.min_width);
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count() + tabs::TABLE.padding);
        }
    }

    fn line(&self, cells: &[String]) -> String {
        let blanks = |cell: &str, width: usize| " ".repeat(width - cell.chars().count());
        let padded = cells.iter().zip(&self.widths);
        let padded: String = padded.flat_map(|(cell, &width)| [cell.clone(), blanks(cell, width)]).collect();
        padded.trim_end().to_owned() + "\n"
    }
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

#[cfg(test)]
mod tests {
    use bowline_api::backup::BackupPhase;
    use bowline_api::{Backup, BackupSpec};

    use super::{Columns, Extra, render};
    use crate::output::time::Now;

    #[test]
    fn later_rows_stand_below_the_first_ones() {
        let (extra, now) = (Extra::default(), Now::here());
        let long = Backup::new("a-long-name-of-a-backup", BackupSpec::default());
        let mut short = Backup::new("b", BackupSpec::default());
        short.status.phase = Some(BackupPhase::PartiallyFailed);
        let table = render(&[&long], &extra, &now);
        let mut columns = Columns::of(&[&long], &extra, &now);
        let begin = |line: &str, word: &str| line.find(word).unwrap();
        let header = table.lines().next().unwrap().to_owned();
        let row = columns.row(&short, &extra, &now);
        assert_eq!(begin(&row, "PartiallyFailed"), begin(&header, "STATUS"), "{table}{row}");
        // What has made a column wider stays so.
        let last = columns.row(&long, &extra, &now);
        assert_eq!(begin(&last, "n/a"), begin(&row, "n/a"), "{row}{last}");

        let first = Columns::of::<Backup>(&[], &extra, &now).row(&long, &extra, &now);
        assert!(first.starts_with("NAME") && first.lines().count() == 2, "{first}");
    }
}

//! The table.

use std::io::Write as _;

/// One measured run.
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) objects: usize,
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    pub(crate) peak_mib: f64,
    /// Floor in seconds, and what it is.
    pub(crate) floor: Option<(f64, String)>,
    pub(crate) phase: String,
}

#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    /// Adds a row, and shows it at once: a run takes minutes.
    pub(crate) fn add(&mut self, row: Row) {
        say(&line(&row));
        self.0.push(row);
    }

    pub(crate) fn print(&self) {
        say("");
        say(&format!(
            "{:<44} {:>8} {:>8} {:>7} {:>9} {:>8} {:>7}  phase, floor",
            "case", "objects", "wall s", "CPU s", "peak MiB", "floor s", "ratio"
        ));
        for row in &self.0 {
            say(&line(row));
        }
    }
}

pub(crate) fn say(text: &str) {
    // A closed pipe is no reason to lose the run.
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "benchmark failed: {error:#}");
}

fn line(row: &Row) -> String {
    let (floor, ratio, what) = match &row.floor {
        Some((floor, what)) => (format!("{floor:.2}"), format!("{:.2}", row.wall / floor), what.as_str()),
        None => ("-".into(), "-".into(), ""),
    };
    format!(
        "{:<44} {:>8} {:>8.2} {:>7.2} {:>9.1} {floor:>8} {ratio:>7}  {} {what}",
        row.case, row.objects, row.wall, row.cpu, row.peak_mib, row.phase
    )
}

//! The table.

use std::io::Write as _;

use crate::measure::Cost;

const HEADER: &str = "case                                   who       wall s    CPU s  peak MiB   CPU/floor  wall/floor  rate by CPU";

/// How much a case has to do, for rates.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amount {
    Files(u64),
    Bytes(u64),
}

impl Amount {
    fn rate(self, seconds: f64) -> String {
        match self {
            Self::Files(count) => format!("{:.0} files/s", count as f64 / seconds),
            Self::Bytes(count) => format!("{:.0} MB/s", count as f64 / seconds / 1e6),
        }
    }
}

/// One case: the floor first, then all others beside it.
pub(crate) struct Case<'a> {
    pub(crate) name: &'a str,
    pub(crate) amount: Amount,
    floor: Option<Cost>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(name: &'a str, amount: Amount) -> Self {
        Self { name, amount, floor: None }
    }

    /// Shows the floor, with which the others are compared.
    pub(crate) fn floor(&mut self, who: &str, cost: Cost) {
        self.show(who, cost);
        self.floor = Some(cost);
    }

    /// Shows a row at once: a run takes minutes.
    pub(crate) fn show(&self, who: &str, cost: Cost) {
        let ratio = |pick: fn(&Cost) -> f64| {
            self.floor.map_or_else(|| "-".to_owned(), |floor| format!("{:.2}", pick(&cost) / pick(&floor)))
        };
        say(&format!(
            "{:<38} {who:<8} {:>7.2} {:>8.2} {:>9.1} {:>11} {:>11}  {}",
            self.name,
            cost.wall,
            cost.cpu,
            cost.peak_mib,
            ratio(|cost| cost.cpu),
            ratio(|cost| cost.wall),
            self.amount.rate(cost.cpu)
        ));
    }
}

pub(crate) fn header() {
    say(HEADER);
}

pub(crate) fn say(text: &str) {
    // A closed pipe is no reason to lose the run.
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "benchmark failed: {error:#}");
}

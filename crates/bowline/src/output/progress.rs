//! Progress: a bar that moves on a terminal, at most a line a second elsewhere, both on standard error.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::screen::Screen;

/// Least time between two lines.
const LINE_PACE: Duration = Duration::from_secs(1);
const BAR: &str = "{spinner} {msg}  {wide_bar:.cyan/blue}  {pos}/{len} items  {per_sec}  {eta} left";
const PLAIN_BAR: &str = "{spinner} {msg}  {wide_bar}  {pos}/{len} items  {per_sec}  {eta} left";
const SPINNER: &str = "{spinner} {msg}  {elapsed}";

/// How far something is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) phase: String,
    pub(crate) done: u64,
    /// 0 while nothing is known.
    pub(crate) total: u64,
}

/// Shows progress until it is dropped.
pub(crate) enum Progress {
    /// The bar, and the template for when the number of items is known.
    Bar(ProgressBar, &'static str),
    Lines(Screen, Mutex<Lines>),
    /// Nothing: what is printed is for a program.
    Silent,
}

/// What the last line said.
#[derive(Default)]
pub(crate) struct Lines {
    shown: Option<(Counts, Instant)>,
    /// When the first items were done, for the rate.
    start: Option<(u64, Instant)>,
}

impl Progress {
    /// A bar where somebody watches, else lines.
    pub(crate) fn new(screen: &Screen) -> Self {
        if !screen.live {
            return Self::Lines(screen.clone(), Mutex::default());
        }
        let bar = ProgressBar::new(0).with_style(style(SPINNER));
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Bar(bar, if screen.coloured_remarks { BAR } else { PLAIN_BAR })
    }

    /// Shows how far it is now.
    pub(crate) fn show(&self, counts: &Counts) {
        match self {
            Self::Bar(bar, template) => {
                let first = bar.length() == Some(0) && counts.total > 0;
                bar.set_message(counts.phase.replace(char::is_control, " "));
                bar.set_length(counts.total);
                bar.set_position(counts.done);
                if first {
                    bar.set_style(style(template));
                }
            }
            Self::Lines(screen, lines) => {
                let line = lines.lock().ok().and_then(|mut lines| lines.next(counts, Instant::now()));
                if let Some(line) = line {
                    screen.note(line);
                }
            }
            Self::Silent => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(bar, _) = self {
            bar.finish_and_clear();
        }
    }
}

/// The templates are constants; should one be wrong, the bar looks plain.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Lines {
    /// The next line, if there is something new to say and the last line is old enough.
    fn next(&mut self, counts: &Counts, now: Instant) -> Option<String> {
        if let Some((shown, at)) = &self.shown
            && (shown == counts || (now - *at < LINE_PACE && shown.phase == counts.phase))
        {
            return None;
        }
        self.shown = Some((counts.clone(), now));
        let (first, since) = *self.start.get_or_insert((counts.done, now));
        if counts.total == 0 {
            return Some(counts.phase.clone());
        }
        let rate = (counts.done - first.min(counts.done)) as f64 / (now - since).as_secs_f64().max(0.001);
        let pace = if rate >= 1.0 && counts.done < counts.total {
            let left = ((counts.total - counts.done) as f64 / rate).ceil();
            format!(", {rate:.0} items/s, about {left:.0}s left")
        } else {
            String::new()
        };
        Some(format!("{}: {}/{} items{pace}", counts.phase, counts.done, counts.total))
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Duration, Instant, Lines};

    fn counts(done: u64, total: u64) -> Counts {
        Counts { phase: "InProgress".to_owned(), done, total }
    }

    #[test]
    fn lines_say_something_new_at_most_once_a_second() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut lines = Lines::default();
        let mut said = Vec::new();
        for (millis, counts) in [
            (0, counts(0, 0)),
            (500, counts(10, 100)),
            (1000, counts(20, 100)),
            (2000, counts(40, 100)),
            (4000, counts(40, 100)),
            (4100, Counts { phase: "Completed".to_owned(), ..counts(100, 100) }),
        ] {
            said.extend(lines.next(&counts, at(millis)));
        }
        let expected = [
            "InProgress",
            "InProgress: 20/100 items, 20 items/s, about 4s left",
            "InProgress: 40/100 items, 20 items/s, about 3s left",
            "Completed: 100/100 items",
        ];
        assert_eq!(said, expected);
    }
}

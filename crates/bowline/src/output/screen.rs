//! Standard output and standard error, the only place that writes to them.

use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;

use crate::config::Environment;
use crate::failure::explain;

/// Where results and remarks go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Screen {
    colour: bool,
    /// Columns of the terminal that standard output goes to; elsewhere lines have any width.
    pub(crate) width: Option<usize>,
    /// Whether somebody watches standard error, so that a line may be drawn over.
    pub(crate) live: bool,
}

/// Ways to make text stand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Bold,
    Red,
    Yellow,
    Green,
}

impl Screen {
    /// Colours only on terminals, and only where the user did not object.
    pub(crate) fn new(environment: &Environment, colour: bool) -> Self {
        Self {
            colour: colour && !environment.no_color && environment.stdout_terminal,
            width: environment.stdout_width,
            live: environment.stderr_terminal,
        }
    }

    /// A result: one line on standard output.
    #[expect(clippy::unused_self, reason = "printing goes through the screen, so that it can be found")]
    pub(crate) fn line(&self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{}", text.as_ref())
    }

    /// Text on standard output as it is.
    #[expect(clippy::unused_self, reason = "printing goes through the screen, so that it can be found")]
    pub(crate) fn print(&self, text: impl AsRef<[u8]>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_ref())?;
        out.flush()
    }

    /// A whole file on standard output.
    #[expect(clippy::unused_self, reason = "printing goes through the screen, so that it can be found")]
    pub(crate) fn copy(&self, mut from: impl Read) -> io::Result<()> {
        let mut out = io::stdout().lock();
        io::copy(&mut from, &mut out)?;
        out.flush()
    }

    /// A remark: one line on standard error. A closed standard error must not stop the work.
    #[expect(clippy::unused_self, reason = "printing goes through the screen, so that it can be found")]
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        drop(writeln!(io::stderr().lock(), "{}", text.as_ref()));
    }

    /// Text in a style, where colours are wanted.
    pub(crate) fn style(&self, style: Style, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let (on, off) = match style {
            Style::Bold => ("1", "22"),
            Style::Red => ("31", "0"),
            Style::Yellow => ("33", "0"),
            Style::Green => ("32", "0"),
        };
        format!("\x1b[{on}m{text}\x1b[{off}m")
    }

    /// A phase in the colour of its meaning.
    pub(crate) fn phase(&self, phase: &str) -> String {
        match phase {
            "Completed" | "Enabled" | "Available" | "Ready" => self.style(Style::Green, phase),
            "New" | "InProgress" | "Queued" | "ReadyToStart" | "Deleting" => phase.to_owned(),
            _ if phase.starts_with("Waiting") || phase.starts_with("Finalizing") => phase.to_owned(),
            _ => self.style(Style::Red, phase),
        }
    }

    /// Asks a question that is answered by y or n; anything but y means no.
    pub(crate) fn confirm(&self, question: &str) -> io::Result<bool> {
        self.print(format!("{question} (y/N) "))?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

/// Tells the user about an error, and turns it into the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    if error.chain().any(closed) {
        // The reader has seen enough, as in `backup get | head`.
        return ExitCode::SUCCESS;
    }
    let report = explain(error);
    let mut out = io::stderr().lock();
    drop(writeln!(out, "An error occurred: {}", report.text));
    for hint in report.hints {
        drop(writeln!(out, "hint: {hint}"));
    }
    ExitCode::from(report.code)
}

#[cfg(test)]
mod tests {
    use super::{Screen, Style};

    #[test]
    fn colours_only_where_wanted() {
        let plain = Screen::default();
        assert_eq!(plain.phase("Failed"), "Failed");
        let coloured = Screen { colour: true, ..Screen::default() };
        assert_eq!(coloured.phase("Failed"), "\x1b[31mFailed\x1b[0m");
        assert_eq!(coloured.phase("Completed"), "\x1b[32mCompleted\x1b[0m");
        assert_eq!(coloured.phase("InProgress"), "InProgress");
        assert_eq!(coloured.style(Style::Bold, "x"), "\x1b[1mx\x1b[22m");
    }
}

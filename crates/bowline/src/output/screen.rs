//! Standard output and standard error, the only place that writes to them.

use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;

use crate::config::Environment;
use crate::failure::explain;
use crate::output::visible::{Visible, visible};

/// Where results and remarks go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Screen {
    colour: bool,
    /// Columns of the terminal that standard output goes to; elsewhere lines have any width.
    pub(crate) width: Option<usize>,
    /// Whether somebody watches standard error, so that a line may be drawn over.
    pub(crate) live: bool,
    /// Whether what is drawn on standard error may have colours.
    pub(crate) coloured_remarks: bool,
    /// Whether somebody can answer on standard input; else answers may come from a pipe.
    asks: bool,
    /// Whether standard output is a terminal.
    terminal: bool,
}

/// What somebody says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// The input ended before an answer.
    Nobody,
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
            coloured_remarks: colour && !environment.no_color && environment.stderr_terminal,
            asks: environment.stdin_terminal,
            terminal: environment.stdout_terminal,
        }
    }

    /// A result: one line on standard output.
    pub(crate) fn line(&self, text: impl AsRef<str>) -> io::Result<()> {
        self.print(text.as_ref().to_owned() + "\n")
    }

    /// Text on standard output: a terminal gets no control characters, a file or program gets it as it is.
    pub(crate) fn print(&self, text: impl AsRef<[u8]>) -> io::Result<()> {
        if self.terminal { self.bytes(visible(text.as_ref())) } else { self.bytes(text) }
    }

    /// Bytes on standard output as they are, whatever they are.
    #[expect(clippy::unused_self, reason = "printing goes through the screen, so that it can be found")]
    pub(crate) fn bytes(&self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes.as_ref())?;
        out.flush()
    }

    /// A whole text file on standard output, as [`Self::print`].
    pub(crate) fn copy(&self, mut from: impl Read) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.terminal {
            let mut shown = Visible::new(out);
            io::copy(&mut from, &mut shown)?;
            return shown.finish();
        }
        io::copy(&mut from, &mut out)?;
        out.flush()
    }

    /// A remark: one line on standard error. A closed standard error must not stop the work.
    #[expect(clippy::unused_self, reason = "printing goes through the screen, so that it can be found")]
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        drop(remark(text.as_ref()));
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

    /// Says what is about to happen, and asks in Velero's words, which scripts wait for, until the answer is yes or no.
    pub(crate) fn confirm(&self, about: &str) -> io::Result<Answer> {
        let about = if about.is_empty() { String::new() } else { format!("{about}\n") };
        let ask = || self.print(format!("{about}Are you sure you want to continue (Y/N)? "));
        loop {
            // Without somebody who reads it, a question is only shown when it has an answer.
            if self.asks {
                ask()?;
            }
            let mut answer = String::new();
            if io::stdin().read_line(&mut answer)? == 0 {
                return Ok(Answer::Nobody);
            }
            if !self.asks {
                ask()?;
            }
            match answer.trim().to_lowercase().as_str() {
                "y" | "yes" => return Ok(Answer::Yes),
                "n" | "no" => return Ok(Answer::No),
                _ => {}
            }
        }
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
    drop(remark(&format!("An error occurred: {}", report.text)));
    for hint in report.hints {
        drop(remark(&format!("hint: {hint}")));
    }
    ExitCode::from(report.code)
}

/// A line for people, who may see it on a terminal however many programs it goes through.
fn remark(text: &str) -> io::Result<()> {
    let mut out = io::stderr().lock();
    out.write_all(&visible(text.as_bytes()))?;
    out.write_all(b"\n")
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

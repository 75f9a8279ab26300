//! Running other programs: with a deadline, with all output kept, and with errors that show it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What a program did.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command as one line, for messages.
    pub command: String,
    /// The exit code; none if a signal ended the program. 124 means that it ran out of time.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Whether the exit code was 0.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output of a program that succeeded, else an error that shows everything.
    pub fn ok(self) -> Result<String> {
        if self.succeeded() {
            return Ok(self.stdout);
        }
        bail!("{}", self.describe());
    }

    /// Standard error of a program that failed with `code`, as refusals must.
    pub fn refused(self, code: i32) -> Result<String> {
        if self.code == Some(code) {
            return Ok(self.stderr);
        }
        bail!("exit code {code} was expected: {}", self.describe());
    }

    fn describe(&self) -> String {
        let mut text = format!("`{}` ended with ", self.command);
        // Writing to a string cannot fail.
        let _ = match self.code {
            Some(124) => write!(text, "no result before its deadline"),
            Some(code) => write!(text, "exit code {code}"),
            None => write!(text, "a signal"),
        };
        for (name, content) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !content.trim().is_empty() {
                let _ = write!(text, "\n--- {name}\n{}", content.trim_end());
            }
        }
        text
    }
}

/// The variable that names the network, as a file below `/proc`, in which a program has to run.
pub(crate) const NETWORK: &str = "BOWLINE_NETWORK";

/// Runs a program in exactly this environment and in the network that it names, to its end or for at most `seconds`.
pub(crate) fn run<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
    environment: &[(String, String)],
    input: &str,
    seconds: u32,
) -> Result<Output> {
    // coreutils' timeout also ends what the program started.
    let mut command = match environment.iter().find(|(name, _)| name == NETWORK) {
        None => Command::new("timeout"),
        Some((_, network)) => {
            let mut inside = Command::new("nsenter");
            inside.arg(format!("--net={network}")).arg("timeout");
            inside
        }
    };
    command.arg("--kill-after=5").arg(seconds.to_string()).arg(program).args(arguments);
    command.env_clear().envs(environment.iter().cloned());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let line = command_line(&command);
    let mut child = command.spawn().with_context(|| format!("start `{line}`"))?;
    let stdin = child.stdin.take();
    let finished = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that does not read its input closes the pipe; that is its right.
            let _ = stdin.map(|mut pipe| pipe.write_all(input.as_bytes()));
        });
        child.wait_with_output()
    });
    let finished = finished.with_context(|| format!("wait for `{line}`"))?;
    Ok(Output {
        command: line,
        code: finished.status.code(),
        stdout: String::from_utf8_lossy(&finished.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&finished.stderr).into_owned(),
    })
}

fn command_line(command: &Command) -> String {
    let words: Vec<_> = command.get_args().skip(2).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_what_the_program_said() {
        let output = run("/bin/sh", ["-c", "cat; echo oops >&2; exit 3"], &[], "input", 10).unwrap();
        assert_eq!((output.code, output.stdout.as_str()), (Some(3), "input"));
        let message = output.ok().unwrap_err().to_string();
        assert!(message.contains("exit code 3") && message.contains("--- stderr\noops"), "{message}");
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let output = run("/bin/sleep", ["60"], &[], "", 1).unwrap();
        assert!(output.ok().unwrap_err().to_string().contains("deadline"));
    }

    #[test]
    fn the_environment_of_the_developer_is_not_inherited() {
        let environment = [("ONLY".to_owned(), "1".to_owned())];
        let output = run("/usr/bin/env", [""; 0], &environment, "", 10).unwrap();
        assert_eq!(output.ok().unwrap(), "ONLY=1\n");
    }
}

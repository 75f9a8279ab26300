//! The real binary without a real cluster: errors, help, what works without one, and what it says to an API server in memory.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as the test itself")]

mod commands;
mod contract;
mod download;
mod errors;
mod fake;
mod install;
mod memory;
mod places;
mod velero;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// One run of the program in an empty home directory.
pub(crate) struct Run {
    home: tempfile::TempDir,
    program: String,
}

/// What a run printed.
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), program: env!("CARGO_BIN_EXE_bowline").to_owned() }
    }

    /// The same program called by another name.
    pub(crate) fn called(mut self, name: &str) -> Self {
        let link = self.home.path().join(name);
        std::os::unix::fs::symlink(&self.program, &link).unwrap();
        self.program = link.display().to_string();
        self
    }

    /// With a kubeconfig for a server that does not listen.
    pub(crate) fn with_dead_server() -> Self {
        Self::with_server("https://127.0.0.1:1")
    }

    /// With a kubeconfig for an API server.
    pub(crate) fn with_server(url: &str) -> Self {
        let run = Self::new();
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: dead\n\
             contexts: [{{name: dead, context: {{cluster: dead, user: dead}}}}]\n\
             clusters: [{{name: dead, cluster: {{server: '{url}'}}}}]\n\
             users: [{{name: dead, user: {{token: not-a-secret}}}}]\n"
        );
        std::fs::create_dir(run.home.path().join(".kube")).unwrap();
        std::fs::write(run.home.path().join(".kube/config"), config).unwrap();
        run
    }

    /// The file that is run.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn with(&self, line: &[&str]) -> Printed {
        self.answering("", line)
    }

    /// With standard input from a pipe.
    pub(crate) fn answering(&self, input: &str, line: &[&str]) -> Printed {
        let mut child = Command::new(&self.program)
            .args(line)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that asks nothing may have closed it.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output: Output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Printed {
            code: output.status.code().unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Printed {
    /// A refusal: exit code 1, nothing on standard output, the error and a hint that hold these words, and no jargon.
    pub(crate) fn assert_refused(&self, error: &str, hint: &str) {
        let first = self.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("An error occurred: "), "{error}: {}", self.stderr);
        self.assert_refused_with(error, hint);
    }

    /// [`Self::assert_refused`] after some steps, which standard error tells.
    pub(crate) fn assert_refused_with(&self, error: &str, hint: &str) {
        let Self { code, stdout, stderr } = self;
        assert_eq!((*code, stdout.as_str()), (1, ""), "{stderr}");
        let told = stderr.lines().find(|line| line.starts_with("An error occurred: ")).unwrap_or_default();
        assert!(told.contains(error), "{error}: {stderr}");
        let hints: Vec<&str> = stderr.lines().filter(|line| line.starts_with("hint: ")).collect();
        assert!(hints.iter().any(|line| line.contains(hint)), "{hint}: {stderr}");
        for jargon in [
            "panicked",
            "Os {",
            "os error",
            "client error",
            "Error(",
            "src/",
            "ServiceError",
            "HyperError",
            "\x1b",
        ] {
            assert!(!stderr.contains(jargon), "{jargon}: {stderr}");
        }
    }

    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }
}

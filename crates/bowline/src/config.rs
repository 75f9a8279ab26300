//! Where settings come from: the environment and the client's configuration file. Nothing else reads them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Context;
use bowline_datamover::repository::Password;
use serde_json::Value;
use terminal_size::{Width, terminal_size_of};

use crate::entry::Entry;
use crate::failure::Failure;

/// Namespace of the server where nothing names another one.
pub(crate) const DEFAULT_NAMESPACE: &str = "velero";

/// What the program finds when it is started, read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// Name that the program was called by: `bowline` or `velero`.
    pub(crate) program: &'static str,
    /// Which of the image's programs this one was called as.
    pub(crate) entry: Entry,
    /// The command line behind the program's name.
    pub(crate) arguments: Vec<OsString>,
    /// The user's home directory.
    pub(crate) home: Option<PathBuf>,
    /// `VELERO_NAMESPACE`.
    pub(crate) namespace: Option<String>,
    /// `KUBECONFIG`.
    pub(crate) kubeconfig: Option<String>,
    /// `KOPIA_PASSWORD`, the password of repositories of volume data.
    pub(crate) repository_password: Option<Password>,
    /// `AWS_REGION` or `AWS_DEFAULT_REGION`, for buckets of the command line whose settings name no region.
    pub(crate) aws_region: Option<String>,
    /// What OpenTelemetry's variables say of traces.
    pub(crate) traces: TraceVariables,
    /// Name of the pod or machine, for events.
    pub(crate) pod: Option<String>,
    /// Whether the program runs in a pod.
    pub(crate) in_pod: bool,
    /// Whether colours are unwanted: `NO_COLOR` is set, or the terminal can't show them.
    pub(crate) no_color: bool,
    /// Whether standard output is a terminal.
    pub(crate) stdout_terminal: bool,
    /// Columns of standard output, if it is a terminal.
    pub(crate) stdout_width: Option<usize>,
    /// Whether standard error is a terminal.
    pub(crate) stderr_terminal: bool,
    /// Whether standard input is a terminal, so that somebody can answer.
    pub(crate) stdin_terminal: bool,
}

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn read() -> Self {
        let mut arguments = std::env::args_os();
        let called = arguments.next().map(PathBuf::from).unwrap_or_default();
        Self {
            program: program_name(&called),
            entry: Entry::called(&called),
            arguments: arguments.collect(),
            home: variable("HOME").map(PathBuf::from),
            namespace: variable("VELERO_NAMESPACE"),
            kubeconfig: variable("KUBECONFIG"),
            repository_password: variable("KOPIA_PASSWORD").map(|text| Password::new(&text)),
            aws_region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
            traces: TraceVariables::read(),
            pod: variable("HOSTNAME"),
            in_pod: variable("KUBERNETES_SERVICE_HOST").is_some(),
            no_color: variable("NO_COLOR").is_some() || variable("TERM").as_deref() == Some("dumb"),
            stdout_terminal: std::io::stdout().is_terminal(),
            stdout_width: terminal_size_of(std::io::stdout()).map(|(Width(columns), _)| columns.into()),
            stderr_terminal: std::io::stderr().is_terminal(),
            stdin_terminal: std::io::stdin().is_terminal(),
        }
    }

    /// Place of the client's configuration file.
    pub(crate) fn client_file(&self) -> anyhow::Result<PathBuf> {
        let home = self.home.as_deref().context("the environment variable HOME is not set")?;
        Ok(home.join(".config").join("velero").join("config.json"))
    }
}

/// OpenTelemetry's variables that decide whether, where and how traces are sent. The rest of them is read by its own library.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceVariables {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, where every signal has a path of its own below.
    pub(crate) endpoint: Option<String>,
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, the whole URL for traces.
    pub(crate) traces_endpoint: Option<String>,
    /// `OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE` or `OTEL_EXPORTER_OTLP_CERTIFICATE`, a file.
    pub(crate) certificate: Option<PathBuf>,
    /// `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` or `OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds.
    pub(crate) timeout: Option<String>,
    /// `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` or `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub(crate) protocol: Option<String>,
    /// `OTEL_SDK_DISABLED` is true, or `OTEL_TRACES_EXPORTER` is none.
    pub(crate) disabled: bool,
}

impl TraceVariables {
    fn read() -> Self {
        let of_traces = |name: &str| {
            variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let is = |name: &str, value: &str| {
            variable(name).is_some_and(|given| given.trim().eq_ignore_ascii_case(value))
        };
        Self {
            endpoint: variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
            traces_endpoint: variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            certificate: of_traces("CERTIFICATE").map(PathBuf::from),
            timeout: of_traces("TIMEOUT"),
            protocol: of_traces("PROTOCOL"),
            disabled: is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none"),
        }
    }
}

/// The name that help texts use. Links called `velero` keep old scripts and habits working.
fn program_name(called: &Path) -> &'static str {
    match called.file_name().and_then(|name| name.to_str()) {
        Some("velero") => "velero",
        _ => "bowline",
    }
}

#[expect(clippy::disallowed_methods, reason = "this module is the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The client's configuration file: settings that hold for every command.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ClientFile(BTreeMap<String, Value>);

impl ClientFile {
    /// Keys that have a meaning.
    pub(crate) const KEYS: [&'static str; 4] = ["namespace", "features", "cacert", "colorized"];

    /// Reads the file; a missing one is empty.
    pub(crate) fn read(environment: &Environment) -> anyhow::Result<Self> {
        let Ok(path) = environment.client_file() else { return Ok(Self::default()) };
        let text = match fs_err::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).context("failed to read the client configuration"),
        };
        let settings = serde_json::from_slice(&text).map_err(|error| {
            Failure::new(format!("{} is not a JSON object: {error}", path.display()))
                .hint("correct the file, or remove it to start afresh")
        })?;
        Ok(Self(settings))
    }

    /// Replaces the file.
    pub(crate) fn write(&self, environment: &Environment) -> anyhow::Result<()> {
        let path = environment.client_file()?;
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        Ok(fs_err::write(path, serde_json::to_vec(&self.0)?)?)
    }

    /// All settings, sorted by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(key, value)| (key.as_str(), plain(value)))
    }

    /// One setting.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.0.get(key).map(plain)
    }

    /// Changes a setting; an empty value removes it.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            self.0.remove(key);
        } else {
            self.0.insert(key.to_owned(), Value::from(value));
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ClientFile, program_name};

    #[test]
    fn a_link_called_velero_is_velero() {
        for (called, name) in
            [("/usr/bin/velero", "velero"), ("velero", "velero"), ("bowline", "bowline"), ("", "bowline")]
        {
            assert_eq!(program_name(Path::new(called)), name);
        }
    }

    #[test]
    fn an_empty_value_removes_a_setting() {
        let mut file = ClientFile::default();
        file.set("namespace", "backups");
        file.set("colorized", "false");
        assert_eq!(file.get("namespace").as_deref(), Some("backups"));
        file.set("namespace", "");
        assert_eq!(file.iter().collect::<Vec<_>>(), [("colorized", "false".to_owned())]);
    }
}

//! Commands inside containers.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

/// One command to run in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// Program and arguments; never a shell line.
    pub command: Vec<String>,
    /// How long the command may run.
    pub deadline: Duration,
}

/// Why a command did not succeed.
#[derive(Debug, Error)]
pub enum ExecError {
    /// The command ended with another exit code than 0.
    #[error("the command ended with exit code {code}{}", said(output))]
    Exit {
        /// Exit code.
        code: i32,
        /// Last part of its standard error, or of its standard output where it wrote no error, at most 4 KiB.
        output: String,
    },
    /// The deadline passed; the stream to the container was closed.
    #[error("the command did not end within {0:?}")]
    Deadline(Duration),
    /// The pod or the container does not exist, or does not run.
    #[error("the container is not there to run a command in: {0}")]
    NotRunning(String),
    /// The connection to the API server or the kubelet failed.
    #[error("failed to reach the container: {0}")]
    Connection(String),
}

/// What a command wrote, behind a colon; nothing for one that wrote nothing.
fn said(output: &str) -> String {
    let output = output.trim();
    if output.is_empty() { String::new() } else { format!(": {output}") }
}

/// Runs commands in containers.
#[async_trait]
pub trait PodExec: Send + Sync + 'static {
    /// Runs the command to its end and returns its standard output (at most 64 KiB, the rest is dropped). MUST close the stream
    /// when the deadline passes or the future is dropped.
    async fn exec(&self, request: &ExecRequest) -> Result<String, ExecError>;
}

//! Commands inside containers, over the API server's websocket exec.

use async_trait::async_trait;
use bowline_engine::finding::chain;
use bowline_engine::port::{ExecError, ExecRequest, PodExec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncRead, AsyncReadExt};

const MAX_STDOUT: usize = 64 << 10;
const MAX_STDERR: usize = 4 << 10;
const NON_ZERO_EXIT: &str = "NonZeroExitCode";

/// Runs commands through the API server.
#[derive(Clone)]
pub struct KubeExec {
    client: kube::Client,
}

impl KubeExec {
    /// Runs commands through this client.
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    async fn run(&self, request: &ExecRequest) -> Result<String, ExecError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &request.namespace);
        let parameters = AttachParams::default().container(&request.container).stderr(true).stdout(true);
        let mut process = pods
            .exec(&request.pod, request.command.iter().map(String::as_str), &parameters)
            .await
            .map_err(|error| refused(&error))?;
        finish(&mut process).await
    }
}

#[async_trait]
impl PodExec for KubeExec {
    async fn exec(&self, request: &ExecRequest) -> Result<String, ExecError> {
        // Dropping the process aborts its task, and with it the connection.
        match tokio::time::timeout(request.deadline, self.run(request)).await {
            Ok(result) => result,
            Err(_) => Err(ExecError::Deadline(request.deadline)),
        }
    }
}

async fn finish(process: &mut AttachedProcess) -> Result<String, ExecError> {
    let lost = || ExecError::Connection("the stream ended before the command".into());
    let status = process.take_status().ok_or_else(lost)?;
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let (stdout, stderr, status) = tokio::join!(head(stdout), tail(stderr), status);
    match outcome(&status.ok_or_else(lost)?) {
        Outcome::Done => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        Outcome::Exit(code) => Err(ExecError::Exit { code, output: last_words(&stdout, &stderr) }),
        Outcome::Failed(message) => Err(ExecError::Connection(message)),
    }
}

/// What a command that failed wrote last: its errors, or what else it wrote where it wrote none. Scripts often say on standard output
/// what is wrong.
fn last_words(stdout: &[u8], stderr: &[u8]) -> String {
    let words = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
    String::from_utf8_lossy(&words[words.len().saturating_sub(MAX_STDERR)..]).into_owned()
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Exit(i32),
    Failed(String),
}

fn outcome(status: &Status) -> Outcome {
    if status.status.as_deref() == Some("Success") {
        return Outcome::Done;
    }
    let message = status.message.clone().unwrap_or_default();
    if status.reason.as_deref() != Some(NON_ZERO_EXIT) {
        return Outcome::Failed(message);
    }
    let causes = status.details.as_ref().and_then(|details| details.causes.as_deref()).unwrap_or_default();
    let code = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    match code.and_then(|cause| cause.message.as_deref()?.parse().ok()) {
        Some(code) => Outcome::Exit(code),
        None => Outcome::Failed(message),
    }
}

fn refused(error: &kube::Error) -> ExecError {
    match error {
        kube::Error::Api(status) if status.code == 404 || status.code == 400 => {
            ExecError::NotRunning(status.message.clone())
        }
        _ => ExecError::Connection(chain(error)),
    }
}

/// The first part of a stream; the rest is read and dropped, so that the command is not held up.
async fn head(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    drain(stream, |piece| {
        let room = MAX_STDOUT - kept.len();
        kept.extend_from_slice(&piece[..piece.len().min(room)]);
    })
    .await;
    kept
}

/// The last part of a stream.
async fn tail(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    drain(stream, |piece| {
        kept.extend_from_slice(piece);
        let excess = kept.len().saturating_sub(MAX_STDERR);
        kept.drain(..excess);
    })
    .await;
    kept
}

async fn drain(stream: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(&[u8])) {
    let Some(mut stream) = stream else { return };
    let mut buffer = [0; 4096];
    while let Ok(size @ 1..) = stream.read(&mut buffer).await {
        take(&buffer[..size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_wrote_no_error_is_told_by_what_else_it_wrote() {
        assert_eq!(last_words(b"disk is full", b" \n"), "disk is full");
        assert_eq!(last_words(b"begun", b"no such table"), "no such table");
        assert_eq!(last_words(&[b'a'; MAX_STDERR + 1], b"").len(), MAX_STDERR);
    }

    #[test]
    fn the_status_says_how_the_command_ended() {
        let status = |json: &str| serde_json::from_str::<Status>(json).unwrap();
        let failed = r#"{"status":"Failure","message":"command terminated with exit code 3","reason":"NonZeroExitCode",
            "details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
        assert_eq!(outcome(&status(r#"{"status":"Success"}"#)), Outcome::Done);
        assert_eq!(outcome(&status(failed)), Outcome::Exit(3));
        assert_eq!(
            outcome(&status(r#"{"status":"Failure","message":"no","reason":"InternalError"}"#)),
            Outcome::Failed("no".into())
        );
    }

    #[tokio::test]
    async fn output_is_kept_within_its_limits() {
        let long = vec![b'a'; MAX_STDOUT + 10];
        assert_eq!(head(Some(long.as_slice())).await.len(), MAX_STDOUT);
        let mut long = vec![b'a'; MAX_STDERR];
        long.extend_from_slice(b"end");
        let kept = tail(Some(long.as_slice())).await;
        assert!(kept.len() == MAX_STDERR && kept.ends_with(b"end"));
    }
}

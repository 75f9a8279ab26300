//! Failed requests to the API server, with what was attempted.

use std::time::Duration;

use bowline_reconcile::{Failure, Fenced};
use thiserror::Error;

use bowline_engine::finding::chain;

/// A request to the API server that failed.
#[derive(Clone, Debug, Error)]
#[error("failed to {attempt}: {message}")]
pub struct ApiError {
    attempt: String,
    message: String,
    code: Option<u16>,
    retry_after: Option<Duration>,
    fenced: bool,
}

impl ApiError {
    /// What was attempted, as in "read the secret x", and how it failed.
    pub(crate) fn new(attempt: impl Into<String>, error: kube::Error) -> Self {
        let attempt = attempt.into();
        let fenced = matches!(&error, kube::Error::Service(inner) if inner.is::<Fenced>());
        let kube::Error::Api(status) = error else {
            return Self { attempt, message: chain(&error), code: None, retry_after: None, fenced };
        };
        let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let retry_after = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        Self { attempt, message: status.message.clone(), code: Some(status.code), retry_after, fenced }
    }

    /// How long the API server wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// This server does not lead, so it must not do that.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// The object, or its kind, is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code == Some(404)
    }

    /// Another writer came first, or an object of that name is there.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code == Some(409)
    }

    /// No repetition will help.
    pub(crate) fn is_permanent(&self) -> bool {
        self.fenced || matches!(self.code, Some(400 | 403 | 404 | 409 | 413 | 422))
    }
}

/// A lost race or a lost Lease is repeated quietly, everything else is an error.
pub(crate) fn failure(error: ApiError) -> Failure {
    if error.is_conflict() || error.is_fenced() { Failure::race(error) } else { Failure::from(error) }
}

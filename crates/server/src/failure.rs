//! Failed requests to the API server, with what was attempted.

use bowline_reconcile::Failure;
use thiserror::Error;

use crate::adapter::chain;

/// A request to the API server that failed.
#[derive(Clone, Debug, Error)]
#[error("failed to {attempt}: {message}")]
pub struct ApiError {
    attempt: String,
    message: String,
    code: Option<u16>,
}

impl ApiError {
    /// What was attempted, as in "read the secret x", and how it failed.
    pub(crate) fn new(attempt: impl Into<String>, error: kube::Error) -> Self {
        let (message, code) = match error {
            kube::Error::Api(status) => (status.message.clone(), Some(status.code)),
            error => (chain(&error), None),
        };
        Self { attempt: attempt.into(), message, code }
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
        matches!(self.code, Some(400 | 403 | 404 | 409 | 413 | 422))
    }
}

/// A lost race is repeated quietly, everything else is an error.
pub(crate) fn failure(error: ApiError) -> Failure {
    if error.is_conflict() { Failure::race(error) } else { Failure::from(error) }
}

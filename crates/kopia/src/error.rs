//! The one error type of the crate.

use std::path::PathBuf;

use crate::blob::BlobError;

/// The result of most operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a repository failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not do what was asked.
    #[error("failed to {action} blob {id:?}")]
    Blob {
        /// The verb: `read`, `write`, `delete`, `list`, `inspect`.
        action: &'static str,
        /// The blob, or the prefix of a listing.
        id: String,
        /// What the store said.
        #[source]
        source: BlobError,
    },
    /// There is no repository at this place.
    #[error("no repository found here")]
    NotARepository,
    /// A repository cannot be created over another one.
    #[error("a repository already exists here")]
    AlreadyExists,
    /// The password does not open the repository.
    #[error("invalid repository password")]
    InvalidPassword,
    /// Stored data is not what was written: cut short, altered or swapped.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// The blob, content, object or manifest.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The repository uses something that this version does not know, or settings that are not allowed.
    #[error("unsupported repository: {0}")]
    Unsupported(String),
    /// Another client is upgrading the repository.
    #[error("the repository is locked for an upgrade by {owner}")]
    UpgradeLocked {
        /// Who upgrades it.
        owner: String,
    },
    /// No index names this content.
    #[error("content {0} not found")]
    ContentNotFound(String),
    /// No manifest has this ID.
    #[error("manifest {0} not found")]
    ManifestNotFound(String),
    /// Text that should name a content or object does not.
    #[error("invalid {kind} {text:?}")]
    InvalidId {
        /// `content ID`, `object ID` or `manifest ID`.
        kind: &'static str,
        /// The text.
        text: String,
    },
    /// A file of the tree that is uploaded or restored could not be handled.
    #[error("failed to {action} {path:?}")]
    File {
        /// The verb.
        action: &'static str,
        /// The file, relative to the root of the tree where possible.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A write session failed earlier; nothing more can be written through it.
    #[error("the write session has failed: {0}")]
    SessionFailed(String),
    /// The index was written into an epoch that others already consider settled.
    #[error("the index was written too late: epoch {written} is settled, the current one is {current}")]
    EpochSettled {
        /// The epoch of the written index.
        written: u64,
        /// The write epoch found afterwards.
        current: u64,
    },
    /// Maintenance belongs to another user.
    #[error("maintenance is owned by {owner:?}, not by {us:?}")]
    NotMaintenanceOwner {
        /// The recorded owner.
        owner: String,
        /// This client.
        us: String,
    },
    /// The clocks of this machine and of the store are too far apart to delete anything safely.
    #[error("clock skew of {seconds} s between this machine and the store is too large for maintenance")]
    ClockSkew {
        /// The absolute difference.
        seconds: i64,
    },
    /// Arguments that do not make sense together.
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A worker thread ended without a result.
    #[error("a worker thread failed")]
    Worker,
}

impl Error {
    pub(crate) fn damaged(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), reason: reason.into() }
    }

    /// Whether a blob, content or manifest (or the repository itself) does not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Blob { source, .. } => source.is_not_found(),
            Self::NotARepository | Self::ContentNotFound(_) | Self::ManifestNotFound(_) => true,
            Self::File { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether the same call may succeed later without any change by the user.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Blob { source, .. } => source.is_retryable(),
            Self::EpochSettled { .. } => true,
            _ => false,
        }
    }

    /// Whether stored data was found to be wrong, which no retry mends.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::ContentNotFound(_))
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Adds what was attempted to the answer of a store.
pub(crate) trait BlobContext<T> {
    fn blob(self, action: &'static str, id: &str) -> Result<T>;
}

impl<T> BlobContext<T> for Result<T, BlobError> {
    fn blob(self, action: &'static str, id: &str) -> Result<T> {
        self.map_err(|source| Error::Blob { action, id: id.to_owned(), source })
    }
}

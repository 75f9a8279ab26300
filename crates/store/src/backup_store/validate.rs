//! Whether a location is fit to be a backup store, in Velero's words.

use std::fmt;

use super::BackupStore;
use crate::error::Error;
use crate::ext::ObjectStoreExt;
use crate::layout;

/// Why a location is unavailable. The text is what its status says.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The store does not answer as it should.
    #[error(transparent)]
    Store(#[from] Error),
    /// The prefix belongs to somebody else.
    #[error("{0}")]
    Directories(InvalidDirectories),
}

impl ValidateError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Directories(_) => Some("use a prefix or a bucket of its own for backups"),
        }
    }
}

/// Directories directly under the prefix that no backup store has, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDirectories(pub Vec<String>);

/// As many are named in the message.
const SHOWN: usize = 3;

impl fmt::Display for InvalidDirectories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        if count <= SHOWN {
            return write!(f, "Backup store contains invalid top-level directories: [{}]", self.0.join(" "));
        }
        let shown = self.0[..SHOWN].join(" ");
        write!(f, "Backup store contains {count} invalid top-level directories: [{shown} ...]")
    }
}

impl BackupStore {
    /// Checks that the store answers and that nothing foreign lies under the prefix. It writes nothing.
    pub async fn validate(&self) -> Result<(), ValidateError> {
        let mut foreign = self.objects().common_prefixes("").await?;
        foreign.retain(|directory| !layout::TOP_LEVEL.contains(&directory.as_str()));
        if foreign.is_empty() { Ok(()) } else { Err(ValidateError::Directories(InvalidDirectories(foreign))) }
    }
}

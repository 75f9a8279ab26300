//! The archive `<backup>.tar.gz` (backup-format §4): paths, writer, and the spool that a restore reads it into.

pub mod path;
pub mod pipe;
pub mod spool;
pub mod writer;

use thiserror::Error;

/// The body of `metadata/version`, and `status.formatVersion` of a backup.
pub const FORMAT_VERSION: &str = "1.1.0";

/// Why an archive can't be read.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The object store failed while the archive was read.
    #[error("failed to fetch the archive")]
    Fetch(#[source] std::io::Error),
    /// The gzip or tar stream is damaged or cut short.
    #[error("the archive is damaged or cut short")]
    Damaged(#[source] std::io::Error),
    /// An entry's path leads out of the archive or has an unknown shape.
    #[error("the archive holds the path {path:?}, which is not allowed")]
    Path {
        /// The path, cut to 256 characters.
        path: String,
    },
    /// An entry is not an object.
    #[error("the archive's entry {path} is not a Kubernetes object")]
    Entry {
        /// The entry's path.
        path: String,
        /// What is wrong with it.
        #[source]
        source: crate::object::ObjectError,
    },
    /// A limit was passed; a gzip bomb, or `--max-backup-extraction-size` is too small.
    #[error("the archive's content is larger than the {limit} bytes allowed")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The spool file could not be written.
    #[error("failed to write the spool file")]
    Spool(#[source] std::io::Error),
}

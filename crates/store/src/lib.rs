//! Object stores (memory, filesystem, S3) behind one trait and, above them, the backup store: every key and artifact
//! of a backup and a restore, with Velero's names and formats. No Kubernetes client here.
//!
//! Start at [`ObjectStore`], whose documentation is the contract that all drivers keep.

mod backup_store;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod deadline;
mod error;
mod ext;
pub mod filesystem;
pub mod key;
pub mod layout;
mod location;
mod memory;
mod object;
mod prefixed;
mod range;
mod read_only;
mod s3;

pub use backup_store::{
    ArtifactCheck, ArtifactState, BackupStore, BackupUpload, Checksums, DeleteReport, DiscardReport,
    InvalidDirectories, MAX_JSON, MAX_METADATA, MAX_STORED_JSON, Sum, ValidateError, Verification,
};
pub use error::{Error, ErrorKind, Result};
pub use ext::{MAX_COMMON_PREFIXES, ObjectStoreExt};
pub use filesystem::FilesystemStore;
pub use location::{Credentials, LocationConfig, open};
pub use memory::MemoryStore;
pub use object::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PageToken, PutOptions,
    SignedUrl,
};
pub use prefixed::Prefixed;
pub use read_only::ReadOnly;
pub use s3::S3Store;

//! Object stores (memory, filesystem, S3) behind one trait and, above them, the backup store: every key and artifact
//! of a backup and a restore, with Velero's names and formats. No Kubernetes client here.
//!
//! Start at [`ObjectStore`], whose documentation is the contract that all drivers keep.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod deadline;
mod error;
mod ext;
pub mod filesystem;
pub mod key;
mod memory;
mod object;
mod prefixed;
mod range;
mod read_only;

pub use error::{Error, ErrorKind, Result};
pub use ext::{MAX_COMMON_PREFIXES, ObjectStoreExt};
pub use filesystem::FilesystemStore;
pub use memory::MemoryStore;
pub use object::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PageToken, PutOptions,
    SignedUrl,
};
pub use prefixed::Prefixed;
pub use read_only::ReadOnly;

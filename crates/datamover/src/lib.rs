//! Volume data between the Kopia engine and the object stores of backups.
//!
//! For now the way from one to the other: [`ObjectBlobs`] lets the engine's blobs lie in an object store, and
//! [`repository`] knows where in a backup location Velero keeps its repositories.

mod object_blobs;
pub mod repository;

pub use object_blobs::ObjectBlobs;

//! Reads, writes and maintains repositories of the Kopia format.
//!
//! The layers, each only using those on its left:
//! `blob` (named bytes) → `crypto` → `format` (keys and parameters) → `index` and `content` (encrypted, deduplicated
//! chunks in packs) → `object` (byte streams of any length) → `manifest` (labelled JSON) → `snapshot`, `upload`,
//! `restore` (file trees) → `maintenance`, `verify`.
//!
//! What it promises, and which parts of the format it covers, is in the README beside it.
//!
//! Network and disk waits are asynchronous (tokio); hashing, encryption and file system calls run on blocking threads.
//! Memory is bounded by settings, never by the size of a repository or of a file tree.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), kopia::Error> {
//! use std::sync::Arc;
//! use kopia::blob::MemoryStore;
//! use kopia::format::CreateOptions;
//! use kopia::{OpenOptions, Repository, WriteOptions};
//!
//! let store = Arc::new(MemoryStore::default());
//! let repository = Repository::create(store, "secret", &CreateOptions::default(), OpenOptions::default()).await?;
//! let writer = repository.writer(WriteOptions::default())?;
//! let id = writer.contents().write_async(None, "some bytes".into(), false).await?;
//! writer.flush().await?;
//! assert_eq!(repository.contents().read(&id).await?, "some bytes");
//! # Ok(())
//! # }
//! ```
//!
//! A tree is backed up on top of the latest snapshot of the same source, and verified:
//!
//! ```no_run
//! # async fn back_up(repository: kopia::Repository) -> Result<(), kopia::Error> {
//! use kopia::WriteOptions;
//! use kopia::snapshot::{self, Source};
//! use kopia::upload::{UploadOptions, upload_tree};
//! use kopia::verify::{VerifyOptions, verify};
//!
//! let source = Source { host: "laptop".into(), user_name: "me".into(), path: "/home/me".into() };
//! let manifests = repository.manifests().await?;
//! let parent = snapshot::parent(&manifests, &source, &[])?.and_then(|snapshot| snapshot.root_entry);
//! let writer = repository.writer(WriteOptions::default())?;
//! let uploaded = upload_tree(&writer, "/home/me", parent, UploadOptions::default()).await?;
//! writer.put_snapshot(&uploaded.snapshot(source))?;
//! // Nothing of it is visible before this.
//! writer.flush().await?;
//! assert!(verify(&repository, &VerifyOptions::default()).await?.is_sound());
//! # Ok(())
//! # }
//! ```

pub mod blob;
pub mod browse;
mod budget;
mod buffers;
pub mod clock;
pub mod compression;
pub mod content;
mod content_id;
pub mod crypto;
mod ecc;
mod error;
pub mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod index;
mod json;
pub mod maintenance;
pub mod manifest;
pub mod object;
mod pack;
mod recent;
mod records;
mod repository;
pub mod restore;
mod seal;
mod session;
pub mod snapshot;
pub mod splitter;
#[cfg(test)]
mod testdata;
#[cfg(test)]
mod tests;
pub mod upload;
mod varint;
pub mod verify;
mod writer;
mod xattrs;

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use content::WriteOptions;
pub use content_id::{ContentId, Prefix};
pub use error::{Error, Result};
pub use repository::{OpenOptions, Repository};
pub use writer::Writer;

//! Tests across the layers: what Kopia and Velero wrote, what we write, and what is left after a crash.

mod formats;
mod golden;
mod jumble;
mod large;
mod parsers;
mod python;
mod scale;
mod soak;
mod trees;
mod writing;

use std::sync::Arc;

use crate::blob::BlobStore;
use crate::format::CreateOptions;
use crate::testdata::PASSWORD;
use crate::{OpenOptions, Repository};

pub(crate) async fn create(store: Arc<dyn BlobStore>) -> Repository {
    Repository::create(store, PASSWORD, &CreateOptions::default(), OpenOptions::default()).await.unwrap()
}

async fn open(store: Arc<dyn BlobStore>) -> Repository {
    Repository::open(store, PASSWORD, OpenOptions::default()).await.unwrap()
}

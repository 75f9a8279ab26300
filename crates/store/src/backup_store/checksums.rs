//! Size and SHA-256 of every artifact, taken while it is uploaded and kept beside the backup in
//! `<backup>-checksums.json`, so that damage can be told, and named, later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::object::Body;

/// The content of `<backup>-checksums.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Checksums {
    /// The version of this format: 1.
    pub version: u32,
    /// How the sums were made: `SHA-256`.
    pub algorithm: String,
    /// The sums by file name in the backup's directory.
    pub files: BTreeMap<String, Sum>,
}

impl Default for Checksums {
    fn default() -> Self {
        Self { version: 1, algorithm: "SHA-256".to_owned(), files: BTreeMap::new() }
    }
}

impl Checksums {
    /// Whether this version knows how to compare with these sums.
    pub fn is_understood(&self) -> bool {
        self.version == 1 && self.algorithm == "SHA-256"
    }
}

/// What a file was when it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Bytes, as stored.
    pub size: u64,
    /// SHA-256 of the stored bytes, in hexadecimal digits.
    pub sha256: String,
}

/// A sum in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Summing {
    size: u64,
    hash: Sha256,
}

impl Summing {
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.size += piece.len() as u64;
        self.hash.update(piece);
    }

    pub(super) fn finish(self) -> Sum {
        Sum { size: self.size, sha256: hex::encode(self.hash.finalize()) }
    }
}

impl Sum {
    pub(super) fn of(content: &Bytes) -> Self {
        let mut summing = Summing::default();
        summing.add(content);
        summing.finish()
    }
}

/// The same body, and the place where its sum grows as it is read.
pub(super) fn summed(body: Body) -> (Body, impl FnOnce() -> Sum) {
    let summing = Arc::new(Mutex::new(Summing::default()));
    let shared = summing.clone();
    let size = body.size();
    let stream = body.into_stream().inspect(move |piece| {
        if let Ok(piece) = piece {
            shared.lock().unwrap_or_else(PoisonError::into_inner).add(piece);
        }
    });
    let body = Body::from_stream(stream);
    let body = match size {
        Some(size) => body.with_size(size),
        None => body,
    };
    (body, move || summing.lock().unwrap_or_else(PoisonError::into_inner).clone().finish())
}

//! The encodings of artifacts: gzip with the header that Go writes, JSON as Go writes it, and reading both with
//! limits, because what lies in a bucket is not trusted.

use std::io::{self, BufReader, Read};

use bowline_api::go_json;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::ext::ObjectStoreExt;
use crate::layout::Encoding;
use crate::object::ObjectStore;

/// The largest `velero-backup.json` that is read. A Kubernetes object has at most 1.5 MiB.
pub const MAX_METADATA: u64 = 16 << 20;
/// The largest JSON artifact that is fetched, as it lies in the store.
pub const MAX_STORED_JSON: u64 = 64 << 20;
/// The most JSON that is decompressed from one artifact: room for the names of millions of items.
pub const MAX_JSON: u64 = 512 << 20;

/// Gzip's code for "unknown operating system", which Go writes.
const UNKNOWN_OS: u8 = 255;

/// A JSON artifact. The text is compressed while it is made, so only its small form is held.
pub(super) fn gzip_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Bytes> {
    let mut encoder = GzBuilder::new().operating_system(UNKNOWN_OS).write(Vec::new(), Compression::default());
    go_json::write(&mut encoder, value).map_err(|cause| unwritable(key).with_source(cause))?;
    io::Write::write_all(&mut encoder, b"\n")
        .and_then(|()| encoder.finish())
        .map(Bytes::from)
        .map_err(|cause| unwritable(key).with_source(cause))
}

/// `velero-backup.json`.
pub(super) fn plain_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Bytes> {
    go_json::to_vec_indented(value).map(Bytes::from).map_err(|cause| unwritable(key).with_source(cause))
}

fn unwritable(key: &str) -> Error {
    Error::new(ErrorKind::Source, format!("encode {key}"))
}

pub(super) fn from_plain<T: DeserializeOwned>(key: &str, text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(|cause| damaged(key, &cause))
}

/// Reads a JSON artifact; the default when the object does not exist.
pub(super) async fn read<T>(store: &dyn ObjectStore, key: &str, encoding: Encoding) -> Result<T>
where
    T: DeserializeOwned + Default + Send + 'static,
{
    let stored = match store.get_bytes(key, MAX_STORED_JSON).await {
        Err(error) if error.is_not_found() => return Ok(T::default()),
        stored => stored?,
    };
    let name = key.to_owned();
    let decode = move || match encoding {
        Encoding::Json => from_plain(&name, &stored),
        Encoding::GzipJson => from_gzip(&name, &stored, MAX_JSON),
        Encoding::GzipText | Encoding::GzipTar => {
            Err(Error::new(ErrorKind::NotSupported, format!("read {name} as JSON")))
        }
    };
    match tokio::task::spawn_blocking(decode).await {
        Ok(result) => result,
        Err(cause) => Err(Error::new(ErrorKind::Other, format!("read {key}")).with_source(cause)),
    }
}

fn from_gzip<T: DeserializeOwned>(key: &str, stored: &[u8], limit: u64) -> Result<T> {
    let reader = Limited { inner: MultiGzDecoder::new(stored), left: limit };
    serde_json::from_reader(BufReader::with_capacity(64 << 10, reader)).map_err(|cause| {
        if cause.io_error_kind() == Some(io::ErrorKind::FileTooLarge) {
            let detail = format!("more than {limit} bytes of JSON");
            return Error::new(ErrorKind::TooLarge, format!("read {key}")).with_detail(detail);
        }
        damaged(key, &cause)
    })
}

fn damaged(key: &str, cause: &serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, format!("read {key}")).with_detail(cause.to_string())
}

/// A reader that fails with `FileTooLarge` where it would give more than it may.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzipped_json_has_the_header_and_escapes_of_go() {
        let stored = gzip_json("k", &["<&>\u{2028}ü"]).unwrap();
        assert_eq!(stored[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
        let mut text = String::new();
        MultiGzDecoder::new(&stored[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "[\"\\u003c\\u0026\\u003e\\u2028ü\"]\n");
    }

    #[test]
    fn a_bomb_is_too_large_and_a_broken_file_is_damaged() {
        let bomb = gzip_json("k", &"x".repeat(1 << 20)).unwrap();
        assert_eq!(from_gzip::<String>("k", &bomb, 1000).unwrap_err().kind(), ErrorKind::TooLarge);
        let mut flipped = gzip_json("k", &[1, 2, 3]).unwrap().to_vec();
        let last = flipped.len() - 6;
        flipped[last] ^= 1;
        let cases: [&[u8]; 4] = [&bomb[..bomb.len() / 2], &flipped, b"", b"not gzip"];
        for stored in cases {
            let error = from_gzip::<serde_json::Value>("k", stored, MAX_JSON).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
    }
}

//! The object store as a trait: its contract, and the values that go in and out. Convenience that every store gets
//! for free is in [`crate::ext`].

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::error::Result;

/// A place that keeps objects under keys: a bucket, a directory, a map.
///
/// What every implementation MUST do; [`crate::conformance`] judges it:
///
/// * **Keys** obey [`crate::key::check`]; another key is `InvalidKey`, and nothing is touched.
/// * **A put is atomic.** Readers and listings see the old object, then the whole new one, never a part. A put that
///   fails, or whose future is dropped, leaves what was there before. Where a store can't tell whether its last
///   step took effect (a time-out at the very end), the object is still whole or absent. A finished put is durable.
/// * **`if_absent`** stores only when no object has the key; of several such puts at once exactly one succeeds, the
///   others get `AlreadyExists`. A store that can't promise this says so in [`Capabilities`] and answers
///   `NotSupported`.
/// * **A get** yields the object as it was at one moment, or fails; bytes of two versions are never mixed, and a
///   stream that ends before the promised length ends with an error. A range is half-open, is cut at the end of the
///   object, and is `InvalidRange` when it is empty or starts at or behind the end.
/// * **A listing** is in ascending order of the keys' bytes, and complete for all objects that exist from its first
///   page to its last. Unfinished puts don't show in it.
/// * **A delete** of a missing object succeeds. It needs no free space.
/// * **Deadlines**: every call, and every wait for the next piece of a body, ends within a time that the store fixes.
///   It retries by itself what is worth retrying (`is_retryable`), so callers need not.
/// * **Cancel safety**: every future may be dropped at any time; what it held is released.
/// * **Errors** have the kind by their meaning, never a secret in their text.
#[async_trait]
pub trait ObjectStore: fmt::Debug + Send + Sync + 'static {
    /// What this store can do; constant over its life.
    fn capabilities(&self) -> Capabilities;

    /// Stores an object. A body that yields an error ends in `Source`, one whose size differs from what it
    /// promised too.
    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()>;

    /// Reads an object or a range of it.
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object>;

    /// Size and age of an object, without its content.
    async fn head(&self, key: &str) -> Result<ObjectMeta>;

    /// One page of a listing. A page may hold any number of entries, also none, while there is a next one.
    async fn list_page(&self, request: &ListRequest) -> Result<ListPage>;

    /// Removes an object, if it is there.
    async fn delete(&self, key: &str) -> Result<()>;

    /// A URL from which anybody can read the object for the given time, without checking that it exists.
    /// `NotSupported` where [`Capabilities::signed_urls`] is false.
    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl>;
}

/// What a store can do beyond the common part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// [`ObjectStore::signed_url`] works, and a client without credentials can use the result.
    pub signed_urls: bool,
    /// [`PutOptions::if_absent`] is worth trying; it may still end in `NotSupported`.
    pub conditional_put: bool,
}

/// How to store an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// The media type that the store keeps where it can.
    pub content_type: Option<String>,
    /// Fail with `AlreadyExists` instead of replacing an object.
    pub if_absent: bool,
}

impl PutOptions {
    /// Options for an object that must not exist yet.
    pub fn if_absent() -> Self {
        Self { if_absent: true, ..Self::default() }
    }
}

/// The content of an object on its way into a store: a stream of pieces, read once, piece by piece.
pub struct Body {
    pub(crate) stream: BoxStream<'static, std::io::Result<Bytes>>,
    pub(crate) size: Option<u64>,
}

impl Body {
    /// Content of unknown size. Pieces of any size are fine; only a few are held at a time.
    pub fn from_stream(stream: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Self {
        Self { stream: stream.boxed(), size: None }
    }

    /// Promises the size in bytes; the put fails when the stream doesn't keep it.
    #[must_use]
    pub fn with_size(self, size: u64) -> Self {
        Self { size: Some(size), ..self }
    }

    /// The promised size in bytes.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The content, for stores and wrappers.
    pub fn into_stream(self) -> BoxStream<'static, std::io::Result<Bytes>> {
        self.stream
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(content: T) -> Self {
        let content = content.into();
        let size = content.len() as u64;
        Self::from_stream(stream::iter([Ok(content)])).with_size(size)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("size", &self.size).finish_non_exhaustive()
    }
}

/// What a store knows about an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The key, as it was put.
    pub key: String,
    /// The size of the whole object in bytes.
    pub size: u64,
    /// When it was stored, by the store's clock.
    pub modified: Option<jiff::Timestamp>,
}

/// An object being read.
pub struct Object {
    /// About the whole object, also when only a range is read.
    pub meta: ObjectMeta,
    /// The part that `body` holds, in bytes.
    pub range: Range<u64>,
    /// The content, in pieces of at most a few MiB. It ends with an error when a part is missing.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("meta", &self.meta).field("range", &self.range).finish_non_exhaustive()
    }
}

/// What to list, and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Only keys that begin with this text; empty or as [`crate::key::check_prefix`] demands.
    pub prefix: String,
    /// Keys that have a `/` behind the prefix are not listed; what stands up to that `/` is, once, as a common prefix.
    pub delimited: bool,
    /// `next` of the page before, of the same listing.
    pub token: Option<PageToken>,
}

/// Where a listing goes on; meaningful only to the store that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(pub String);

/// A piece of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Objects, in order of their keys.
    pub objects: Vec<ObjectMeta>,
    /// Common prefixes, each with the `/` at its end, in order; only when `delimited`.
    pub prefixes: Vec<String>,
    /// The next page; `None` when this was the last.
    pub next: Option<PageToken>,
}

/// A URL that carries its own permission, so as secret as a password until it expires: `Debug` doesn't show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl(String);

impl SignedUrl {
    /// Wraps a finished URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL, for the one who may use it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.split_once('?').map_or(self.0.as_str(), |(address, _)| address);
        write!(f, "SignedUrl({shown}?***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_signed_url_hides_its_signature() {
        let url = SignedUrl::new("https://s3/b/k?X-Amz-Signature=s3cr3t");
        assert_eq!(format!("{url:?}"), "SignedUrl(https://s3/b/k?***)");
    }

    #[test]
    fn a_body_of_bytes_knows_its_size() {
        assert_eq!(Body::from("abc").size(), Some(3));
    }
}

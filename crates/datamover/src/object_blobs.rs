//! The blobs of a repository as objects: each blob is one object, called by the blob's name below a prefix.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_store::{
    Body, Error, ErrorKind, ListRequest, Object, ObjectMeta, ObjectStore, ObjectStoreExt, Prefixed,
};
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use kopia::blob::{
    BlobError, BlobMetadata, BlobResult, BlobStore, PutOptions, RetryPolicy, RetryingStore, check_name,
};

/// The media type that Kopia gives its blobs.
const CONTENT_TYPE: &str = "application/x-kopia";
/// The longest blob: an index of the largest repositories; packs have at most 120 MiB.
const MAX_BLOB: u64 = 1 << 30;
/// Every call ends within this time. The object store bounds each of its waits; this bounds one that drips for ever.
const DEADLINE: Duration = Duration::from_mins(10);
/// The object store has retried already what is worth it, so a few more attempts, far apart, are for longer outages.
const RETRIES: RetryPolicy =
    RetryPolicy { attempts: 5, first_delay: Duration::from_secs(1), max_delay: Duration::from_secs(20) };

/// An object store as the engine's blob store.
///
/// Objects below the prefix whose names are no blob names, or that lie in deeper folders, are not seen. Locks against
/// deletion are refused as unsupported.
#[derive(Debug, Clone)]
pub struct ObjectBlobs {
    objects: Arc<dyn ObjectStore>,
}

impl ObjectBlobs {
    /// The blobs below `prefix`, a key without `/` at its end; the whole store when it is empty.
    ///
    /// # Errors
    /// `InvalidKey` for a prefix that is no key.
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: &str) -> bowline_store::Result<Self> {
        if prefix.is_empty() {
            return Ok(Self { objects });
        }
        Ok(Self { objects: Arc::new(Prefixed::new(objects, prefix)?) })
    }

    /// The same blobs, with what fails for a passing reason tried again for about a minute.
    pub fn retrying(self) -> RetryingStore {
        RetryingStore::new(Arc::new(self), RETRIES)
    }

    async fn whole(&self, id: &str) -> BlobResult<Bytes> {
        let object = self.objects.get(id, None).await.map_err(|error| blob_error(error, id))?;
        collect(object, id).await
    }

    async fn part(&self, id: &str, range: Range<u64>) -> BlobResult<Bytes> {
        let outside = BlobError::InvalidRange { start: range.start, end: range.end };
        if range.is_empty() {
            // Object stores know no empty ranges.
            let size = self.head(id).await?.size;
            return if range.start == range.end && range.end <= size {
                Ok(Bytes::new())
            } else {
                Err(outside)
            };
        }
        match self.objects.get(id, Some(range.clone())).await {
            // A range that reaches too far is cut by object stores.
            Ok(object) if object.range == range => collect(object, id).await,
            Ok(_) => Err(outside),
            Err(error) if error.kind() == ErrorKind::InvalidRange => Err(outside),
            Err(error) => Err(blob_error(error, id)),
        }
    }

    async fn head(&self, id: &str) -> BlobResult<ObjectMeta> {
        self.objects.head(id).await.map_err(|error| blob_error(error, id))
    }
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        check_name(id)?;
        in_time(async {
            match range {
                Some(range) => self.part(id, range).await,
                None => self.whole(id).await,
            }
        })
        .await
    }

    /// Where the store cannot write on a condition, it is asked first.
    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()> {
        check_name(id)?;
        if options.retention.is_some() {
            return Err(BlobError::Unsupported { what: format!("locking blob {id} against deletion") });
        }
        let put = async |if_absent| {
            let options =
                bowline_store::PutOptions { content_type: Some(CONTENT_TYPE.to_owned()), if_absent };
            self.objects.put(id, Body::from(data.clone()), options).await
        };
        in_time(async {
            let stored = match put(options.if_absent).await {
                Err(error) if options.if_absent && error.kind() == ErrorKind::NotSupported => {
                    if self.objects.exists(id).await.map_err(|error| blob_error(error, id))? {
                        return Err(BlobError::AlreadyExists);
                    }
                    put(false).await
                }
                other => other,
            };
            stored.map_err(|error| blob_error(error, id))
        })
        .await
    }

    async fn delete(&self, id: &str) -> BlobResult<()> {
        check_name(id)?;
        in_time(async { self.objects.delete(id).await.map_err(|error| blob_error(error, id)) }).await
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        check_name(id)?;
        in_time(async { metadata(self.head(id).await?) }).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        // Delimited, so that a repository at the top of a bucket does not walk through all that lies beside it.
        let first = ListRequest { prefix: prefix.to_owned(), delimited: true, token: None };
        let pages = stream::try_unfold(Some(first), move |request| async move {
            let Some(mut request) = request else { return Ok(None) };
            let page = self.objects.list_page(&request);
            let page = in_time(async { page.await.map_err(|error| blob_error(error, prefix)) }).await?;
            let next = page.next.map(|token| {
                request.token = Some(token);
                request
            });
            Ok::<_, BlobError>(Some((page.objects, next)))
        });
        pages
            .map_ok(|objects| {
                let blobs = objects.into_iter().filter(|object| check_name(&object.key).is_ok());
                stream::iter(blobs.map(metadata))
            })
            .try_flatten()
            .boxed()
    }
}

async fn in_time<T>(work: impl Future<Output = BlobResult<T>>) -> BlobResult<T> {
    tokio::time::timeout(DEADLINE, work)
        .await
        .unwrap_or_else(|late| Err(BlobError::Other { retryable: true, source: late.into() }))
}

async fn collect(object: Object, id: &str) -> BlobResult<Bytes> {
    let length = object.range.end - object.range.start;
    if length > MAX_BLOB {
        let source = format!("the blob has {length} bytes, more than any repository would write");
        return Err(BlobError::Other { retryable: false, source: source.into() });
    }
    let mut body = object.body;
    let mut data = BytesMut::new();
    while let Some(piece) = body.try_next().await.map_err(|error| blob_error(error, id))? {
        if data.is_empty() && piece.len() as u64 == length {
            return Ok(piece);
        }
        data.reserve((length as usize).saturating_sub(data.len()));
        data.extend_from_slice(&piece);
    }
    Ok(data.freeze())
}

fn metadata(object: ObjectMeta) -> BlobResult<BlobMetadata> {
    // Maintenance deletes by age: a guess could cost data.
    let modified = object.modified.ok_or_else(|| BlobError::Unsupported {
        what: format!("blob {}, whose time the store does not tell", object.key),
    })?;
    Ok(BlobMetadata { id: object.key, length: object.size, modified })
}

/// The same failure in the engine's words; `id` is the blob or the prefix of a listing.
fn blob_error(error: Error, id: &str) -> BlobError {
    match error.kind() {
        ErrorKind::NotFound => BlobError::NotFound,
        ErrorKind::AlreadyExists => BlobError::AlreadyExists,
        ErrorKind::InvalidKey => BlobError::InvalidName(id.to_owned()),
        ErrorKind::PermissionDenied | ErrorKind::Unauthenticated => {
            BlobError::PermissionDenied { source: error.into() }
        }
        ErrorKind::NotSupported => BlobError::Unsupported { what: error.to_string() },
        // An object that was replaced while it was read is whole at the next attempt.
        ErrorKind::Precondition => BlobError::Other { retryable: true, source: error.into() },
        _ => BlobError::Other { retryable: error.is_retryable(), source: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_meaning() {
        for (kind, retryable) in [
            (ErrorKind::Busy, true),
            (ErrorKind::Timeout, true),
            (ErrorKind::Unreachable, true),
            (ErrorKind::Precondition, true),
            (ErrorKind::PermissionDenied, false),
            (ErrorKind::Full, false),
            (ErrorKind::Corrupt, false),
        ] {
            let error = blob_error(Error::new(kind, "read p1"), "p1");
            assert_eq!(error.is_retryable(), retryable, "{kind:?}");
            assert!(!error.is_not_found());
        }
        assert!(blob_error(Error::new(ErrorKind::NotFound, "read p1"), "p1").is_not_found());
    }
}

//! What every [`ObjectStore`] can do for free: whole listings as streams, small objects as bytes.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::object::{ListRequest, ObjectMeta, ObjectStore};

/// The most common prefixes that [`ObjectStoreExt::common_prefixes`] returns before it gives up with `TooLarge`.
pub const MAX_COMMON_PREFIXES: usize = 1_000_000;

/// Conveniences on top of the trait's pages and streams.
#[async_trait]
pub trait ObjectStoreExt: ObjectStore {
    /// Every object whose key begins with `prefix`, in order, page by page as the stream is read.
    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta>> {
        let first = ListRequest { prefix: prefix.to_owned(), ..ListRequest::default() };
        stream::try_unfold(Some(first), move |request| async move {
            let Some(mut request) = request else { return Ok(None) };
            let page = self.list_page(&request).await?;
            let next = page.next.map(|token| {
                request.token = Some(token);
                request
            });
            Ok::<_, Error>(Some((stream::iter(page.objects.into_iter().map(Ok)), next)))
        })
        .try_flatten()
        .boxed()
    }

    /// The "directories" directly under `prefix`, in order, without the prefix and without the `/` at the end.
    async fn common_prefixes(&self, prefix: &str) -> Result<Vec<String>> {
        let mut request = ListRequest { prefix: prefix.to_owned(), delimited: true, token: None };
        let mut names = Vec::new();
        loop {
            let page = self.list_page(&request).await?;
            names.extend(page.prefixes.iter().map(|found| directory_name(found, prefix).to_owned()));
            if names.len() > MAX_COMMON_PREFIXES {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("list the directories under {prefix:?}"),
                ));
            }
            match page.next {
                Some(token) => request.token = Some(token),
                None => return Ok(names),
            }
        }
    }

    /// Whether an object has this key.
    async fn exists(&self, key: &str) -> Result<bool> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A whole object in memory, if it is at most `limit` bytes, else `TooLarge`.
    async fn get_bytes(&self, key: &str, limit: u64) -> Result<Bytes> {
        let too_large = || {
            Error::new(ErrorKind::TooLarge, format!("read {key}"))
                .with_detail(format!("the limit is {limit} bytes"))
        };
        let mut object = self.get(key, None).await?;
        if object.meta.size > limit {
            return Err(too_large());
        }
        let mut content = BytesMut::with_capacity(object.meta.size as usize);
        while let Some(piece) = object.body.try_next().await? {
            if (content.len() + piece.len()) as u64 > limit {
                return Err(too_large());
            }
            content.extend_from_slice(&piece);
        }
        Ok(content.freeze())
    }
}

impl<S: ObjectStore + ?Sized> ObjectStoreExt for S {}

fn directory_name<'a>(found: &'a str, prefix: &str) -> &'a str {
    let rest = found.strip_prefix(prefix).unwrap_or(found);
    rest.strip_suffix('/').unwrap_or(rest)
}

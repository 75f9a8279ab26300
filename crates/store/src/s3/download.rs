//! Downloads that survive broken connections: the rest is fetched again from where the stream stopped, of the same
//! version of the object or not at all.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::{S3Store, meta};
use crate::deadline::within;
use crate::error::{Error, ErrorKind, Result};
use crate::object::Object;
use crate::range;

/// How long the next piece may take.
const STALL: Duration = Duration::from_mins(1);
/// Broken connections in a row, without a byte between them, after which a download gives up.
const MAX_BREAKS: u32 = 5;
/// The pause after the first of them; it doubles.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn get(store: &S3Store, key: &str, asked: Option<Range<u64>>) -> Result<Object> {
    if let Some(range) = asked.as_ref().filter(|range| range.start >= range.end) {
        return Err(range::invalid(key, range));
    }
    let opened = open(store, key, asked.as_ref(), None).await?;
    let range = range::resolve(key, asked, opened.size)?;
    let download = Download {
        store: store.clone(),
        key: key.to_owned(),
        version: opened.version,
        at: range.start,
        end: range.end,
        body: Some(opened.body),
        breaks: 0,
    };
    let body = stream::try_unfold(download, |mut download| async move {
        Ok(download.next().await?.map(|piece| (piece, download)))
    });
    Ok(Object { meta: opened.meta, range, body: body.boxed() })
}

struct Opened {
    meta: crate::object::ObjectMeta,
    size: u64,
    version: Option<String>,
    body: BoxStream<'static, Result<Bytes, ByteStreamError>>,
}

type ByteStreamError = aws_sdk_s3::primitives::ByteStreamError;

async fn open(
    store: &S3Store,
    key: &str,
    range: Option<&Range<u64>>,
    version: Option<String>,
) -> Result<Opened> {
    let customer = store.settings.encryption.customer_key();
    let reply = store
        .clients
        .bulk
        .get_object()
        .bucket(&store.settings.bucket)
        .key(key)
        .set_range(range.map(|range| format!("bytes={}-{}", range.start, range.end - 1)))
        .set_if_match(version)
        .set_sse_customer_algorithm(customer.algorithm)
        .set_sse_customer_key(customer.key)
        .set_sse_customer_key_md5(customer.digest)
        .send()
        .await
        .map_err(|error| store.failed(format!("read {key}"), &error))?;
    // "bytes 5-9/300000": the length of the reply is that of the range only.
    let whole = reply.content_range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    let size = whole.unwrap_or(reply.content_length.unwrap_or_default() as u64);
    let meta = meta(key, Some(size as i64), reply.last_modified);
    Ok(Opened { meta, size, version: reply.e_tag, body: pieces(reply.body) })
}

fn pieces(body: ByteStream) -> BoxStream<'static, Result<Bytes, ByteStreamError>> {
    stream::unfold(body, |mut body| async { body.next().await.map(|piece| (piece, body)) }).boxed()
}

/// A body being read, and what it takes to read the rest of it again.
struct Download {
    store: S3Store,
    key: String,
    version: Option<String>,
    at: u64,
    end: u64,
    body: Option<BoxStream<'static, Result<Bytes, ByteStreamError>>>,
    breaks: u32,
}

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.at < self.end {
            match self.read().await {
                Ok(mut piece) => {
                    piece.truncate((self.end - self.at) as usize);
                    self.at += piece.len() as u64;
                    self.breaks = 0;
                    return Ok(Some(piece));
                }
                Err(error) if error.is_retryable() && self.can_resume() => self.pause().await,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The next piece of the body, which is opened where it is not.
    async fn read(&mut self) -> Result<Bytes> {
        let key = self.key.clone();
        let action = || format!("read {key}");
        let mut body = match self.body.take() {
            Some(body) => body,
            None => open(&self.store, &key, Some(&(self.at..self.end)), self.version.clone()).await?.body,
        };
        let piece = within(STALL, action, async { Ok(body.next().await) }).await?;
        let broken = || Error::new(ErrorKind::Unreachable, action()).with_detail("the connection broke");
        let piece = piece.ok_or_else(broken)?.map_err(|cause| broken().with_source(cause))?;
        self.body = Some(body);
        Ok(piece)
    }

    fn can_resume(&self) -> bool {
        self.version.is_some() && self.breaks < MAX_BREAKS
    }

    async fn pause(&mut self) {
        tokio::time::sleep(PAUSE * 2_u32.pow(self.breaks)).await;
        self.breaks += 1;
    }
}

//! Uploads: small bodies in one request, larger ones in parts of one size, a few in flight, so that memory stays
//! bounded. An upload that fails or is dropped is aborted, so no parts are left to be paid for.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::S3Store;
use super::settings::{Checksum, Encryption};
use crate::error::{Error, ErrorKind, Result};
use crate::object::{Body, PutOptions};
use crate::range::Pieces;

/// The size of a part, when the body is of unknown or ordinary size. All parts but the last are equal, because some
/// servers demand it.
const PART: u64 = 8 << 20;
/// S3's limit.
const MAX_PARTS: u64 = 10_000;
/// Parts in flight. With the one being filled, a put holds at most `PART * (IN_FLIGHT + 1)` bytes.
const IN_FLIGHT: usize = 3;

/// One put.
pub(super) struct Upload<'a> {
    pub(super) store: &'a S3Store,
    pub(super) key: &'a str,
    pub(super) options: PutOptions,
}

impl Upload<'_> {
    pub(super) async fn run(self, body: Body) -> Result<()> {
        let part_size = part_size(body.size());
        let mut parts = Parts { pieces: Pieces::new(self.key, body), rest: BytesMut::new(), size: part_size };
        let first = parts.next().await?.unwrap_or_default();
        if (first.len() as u64) < part_size {
            // The source has ended, and as promised: a part is short only at the end.
            return self.put(first).await;
        }
        self.put_in_parts(first, parts).await
    }

    async fn put(&self, content: Bytes) -> Result<()> {
        let settings = &self.store.settings;
        let (algorithm, kms_key) = server_side(&settings.encryption);
        let customer = settings.encryption.customer_key();
        self.client()
            .put_object()
            .bucket(&settings.bucket)
            .key(self.key)
            .content_length(content.len() as i64)
            .body(ByteStream::from(content))
            .set_content_type(self.options.content_type.clone())
            .set_if_none_match(self.if_none_match())
            .set_tagging(settings.tagging.clone())
            .set_checksum_algorithm(settings.checksum.map(Into::into))
            .set_server_side_encryption(algorithm)
            .set_ssekms_key_id(kms_key)
            .set_sse_customer_algorithm(customer.algorithm)
            .set_sse_customer_key(customer.key)
            .set_sse_customer_key_md5(customer.digest)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.refused(self.store.failed(self.action(), &error)))
    }

    async fn put_in_parts(&self, first: Bytes, parts: Parts) -> Result<()> {
        let mut unfinished = Unfinished::begin(self).await?;
        let result = async {
            let id = unfinished.id.as_str();
            let numbered = stream::iter(1..).zip(parts.stream(first));
            let mut done: Vec<CompletedPart> = numbered
                .map(|(number, part)| async move { self.put_part(id, number, part?).await })
                .buffer_unordered(IN_FLIGHT)
                .try_collect()
                .await?;
            done.sort_unstable_by_key(CompletedPart::part_number);
            self.complete(id, done).await
        }
        .await;
        if result.is_ok() {
            unfinished.is_done = true;
        } else {
            unfinished.abort().await;
        }
        result
    }

    async fn put_part(&self, id: &str, number: u64, content: Bytes) -> Result<CompletedPart> {
        if number > MAX_PARTS {
            return Err(Error::new(ErrorKind::TooLarge, self.action())
                .with_detail(format!("an upload of unknown size has at most {} bytes", PART * MAX_PARTS)));
        }
        let settings = &self.store.settings;
        let customer = settings.encryption.customer_key();
        let number = number as i32;
        let done = self
            .client()
            .upload_part()
            .bucket(&settings.bucket)
            .key(self.key)
            .upload_id(id)
            .part_number(number)
            .content_length(content.len() as i64)
            .body(ByteStream::from(content))
            .set_checksum_algorithm(settings.checksum.map(Into::into))
            .set_sse_customer_algorithm(customer.algorithm)
            .set_sse_customer_key(customer.key)
            .set_sse_customer_key_md5(customer.digest)
            .send()
            .await
            .map_err(|error| self.store.failed(self.action(), &error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(done.e_tag)
            .set_checksum_crc32(done.checksum_crc32)
            .set_checksum_crc32_c(done.checksum_crc32_c)
            .set_checksum_sha1(done.checksum_sha1)
            .set_checksum_sha256(done.checksum_sha256)
            .build())
    }

    async fn complete(&self, id: &str, parts: Vec<CompletedPart>) -> Result<()> {
        let settings = &self.store.settings;
        let customer = settings.encryption.customer_key();
        self.client()
            .complete_multipart_upload()
            .bucket(&settings.bucket)
            .key(self.key)
            .upload_id(id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .set_if_none_match(self.if_none_match())
            .set_sse_customer_algorithm(customer.algorithm)
            .set_sse_customer_key(customer.key)
            .set_sse_customer_key_md5(customer.digest)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.refused(self.store.failed(self.action(), &error)))
    }

    fn client(&self) -> &Client {
        &self.store.clients.bulk
    }

    fn action(&self) -> String {
        format!("put {}", self.key)
    }

    fn if_none_match(&self) -> Option<String> {
        self.options.if_absent.then(|| "*".to_owned())
    }

    /// The only precondition that a put sends is that the key is free.
    fn refused(&self, error: Error) -> Error {
        if self.options.if_absent && error.kind() == ErrorKind::Precondition {
            return Error::new(ErrorKind::AlreadyExists, self.action());
        }
        error
    }
}

/// A multipart upload that was begun. Unless it is done, dropping it aborts it in the background.
struct Unfinished {
    client: Client,
    bucket: String,
    key: String,
    id: String,
    is_done: bool,
}

impl Unfinished {
    async fn begin(upload: &Upload<'_>) -> Result<Self> {
        let settings = &upload.store.settings;
        let (algorithm, kms_key) = server_side(&settings.encryption);
        let customer = settings.encryption.customer_key();
        let client = upload.store.clients.quick.clone();
        let begun = client
            .create_multipart_upload()
            .bucket(&settings.bucket)
            .key(upload.key)
            .set_content_type(upload.options.content_type.clone())
            .set_tagging(settings.tagging.clone())
            .set_checksum_algorithm(settings.checksum.map(Into::into))
            .set_server_side_encryption(algorithm)
            .set_ssekms_key_id(kms_key)
            .set_sse_customer_algorithm(customer.algorithm)
            .set_sse_customer_key(customer.key)
            .set_sse_customer_key_md5(customer.digest)
            .send()
            .await
            .map_err(|error| upload.store.failed(upload.action(), &error))?;
        let Some(id) = begun.upload_id else {
            return Err(
                Error::new(ErrorKind::Other, upload.action()).with_detail("the store began no upload")
            );
        };
        Ok(Self { client, bucket: settings.bucket.clone(), key: upload.key.to_owned(), id, is_done: false })
    }

    /// Best effort: what stays is not visible, and a lifecycle rule of the bucket can remove it.
    async fn abort(&mut self) {
        self.is_done = true;
        let request =
            self.client.abort_multipart_upload().bucket(&self.bucket).key(&self.key).upload_id(&self.id);
        if request.send().await.is_err() {
            tracing::warn!(
                bucket = self.bucket,
                key = self.key,
                "failed to abort an upload; its parts may stay"
            );
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut abandoned = Self {
            client: self.client.clone(),
            bucket: std::mem::take(&mut self.bucket),
            key: std::mem::take(&mut self.key),
            id: std::mem::take(&mut self.id),
            is_done: true,
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { abandoned.abort().await });
        }
    }
}

/// A body cut into parts of one size; the last may be shorter.
struct Parts {
    pieces: Pieces,
    rest: BytesMut,
    size: u64,
}

impl Parts {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let size = self.size as usize;
        while self.rest.len() < size {
            match self.pieces.next().await? {
                Some(piece) => self.rest.extend_from_slice(&piece),
                None if self.rest.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.rest).freeze())),
            }
        }
        Ok(Some(self.rest.split_to(size).freeze()))
    }

    fn stream(self, first: Bytes) -> impl futures::Stream<Item = Result<Bytes>> {
        let others =
            stream::try_unfold(
                self,
                |mut parts| async move { Ok(parts.next().await?.map(|part| (part, parts))) },
            );
        stream::iter([Ok(first)]).chain(others)
    }
}

/// Large enough for the promised size to fit into S3's number of parts.
fn part_size(promised: Option<u64>) -> u64 {
    let needed = promised.unwrap_or_default().div_ceil(MAX_PARTS);
    PART.max(needed.next_multiple_of(1 << 20))
}

/// Encryption by the server's keys, as requests spell it.
fn server_side(encryption: &Encryption) -> (Option<ServerSideEncryption>, Option<String>) {
    match encryption {
        Encryption::BucketDefault | Encryption::Customer(_) => (None, None),
        Encryption::Server(name) => (Some(name.as_str().into()), None),
        Encryption::Kms(key) => (Some(ServerSideEncryption::AwsKms), Some(key.clone())),
    }
}

impl From<Checksum> for ChecksumAlgorithm {
    fn from(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Crc32 => Self::Crc32,
            Checksum::Crc32c => Self::Crc32C,
            Checksum::Sha1 => Self::Sha1,
            Checksum::Sha256 => Self::Sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_8_mib_until_a_promised_size_needs_more() {
        assert_eq!(part_size(None), 8 << 20);
        assert_eq!(part_size(Some(80 << 30)), 9 << 20);
        let size = 1 << 40;
        assert!(size / part_size(Some(size)) <= MAX_PARTS && part_size(Some(size)).is_multiple_of(1 << 20));
    }

    #[tokio::test]
    async fn bodies_are_cut_into_equal_parts() {
        let pieces = [3, 1, 9, 0, 2].map(|size| Ok(Bytes::from(vec![b'x'; size])));
        let body = Body::from_stream(stream::iter(pieces));
        let mut parts = Parts { pieces: Pieces::new("k", body), rest: BytesMut::new(), size: 4 };
        let mut sizes = Vec::new();
        while let Some(part) = parts.next().await.unwrap() {
            sizes.push(part.len());
        }
        assert_eq!(sizes, [4, 4, 4, 3]);
    }
}

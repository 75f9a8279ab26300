//! What the checks of the driver need to see and a store does not offer.

use aws_sdk_s3::types::ChecksumMode;
use futures::TryFutureExt;

use super::S3Store;
use super::http::Http;
use crate::error::Result;

impl S3Store {
    /// Keys of uploads that were begun and neither finished nor aborted.
    pub(crate) async fn unfinished_uploads(&self, prefix: &str) -> Result<Vec<String>> {
        let request =
            self.clients.quick.list_multipart_uploads().bucket(&self.settings.bucket).prefix(prefix);
        let reply = request.send().map_err(|error| self.failed("list uploads".into(), &error)).await?;
        Ok(reply.uploads.unwrap_or_default().into_iter().filter_map(|upload| upload.key).collect())
    }

    /// The tags of an object, in order.
    pub(crate) async fn tags(&self, key: &str) -> Result<Vec<(String, String)>> {
        let request = self.clients.quick.get_object_tagging().bucket(&self.settings.bucket).key(key);
        let reply = request.send().map_err(|error| self.failed("read tags".into(), &error)).await?;
        let mut tags: Vec<_> = reply.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect();
        tags.sort();
        Ok(tags)
    }

    /// Whether the server keeps a checksum of this algorithm with the object.
    pub(crate) async fn has_checksum(&self, key: &str, algorithm: &str) -> Result<bool> {
        let request = self.clients.quick.head_object().bucket(&self.settings.bucket).key(key);
        let request = request.checksum_mode(ChecksumMode::Enabled);
        let head = request.send().map_err(|error| self.failed("read checksums".into(), &error)).await?;
        Ok(match algorithm {
            "CRC32" => head.checksum_crc32,
            "CRC32C" => head.checksum_crc32_c,
            "SHA1" => head.checksum_sha1,
            _ => head.checksum_sha256,
        }
        .is_some())
    }

    /// A client as somebody without credentials has it.
    pub(crate) fn anonymous_client(ca_cert: Option<&[u8]>) -> reqwest::Client {
        Http::new(ca_cert, true).expect("a client").client().clone()
    }
}

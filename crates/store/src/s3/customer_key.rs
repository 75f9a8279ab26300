//! SSE-C: a key of 32 bytes that travels with every request and that the server does not keep.

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::error::Result;
use crate::location::misconfigured;

const LENGTH: usize = 32;

/// A customer's key, in the form in which requests carry it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CustomerKey {
    key: String,
    digest: String,
}

/// What requests carry; nothing when the objects are not encrypted with a customer's key.
#[derive(Default)]
pub(super) struct CustomerKeyHeaders {
    pub(super) algorithm: Option<String>,
    pub(super) key: Option<String>,
    /// MD5 of the key, by which the server sees that the key came over intact.
    pub(super) digest: Option<String>,
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(***)")
    }
}

impl CustomerKey {
    /// The first 32 bytes of a file; the AWS plugin ignores what follows, so backups depend on that.
    pub(super) async fn from_file(path: PathBuf) -> Result<Self> {
        let setting = "config.customerKeyEncryptionFile";
        let content = fs_err::tokio::read(&path)
            .await
            .map_err(|cause| misconfigured(format!("{setting} can't be read")).with_source(cause))?;
        match content.get(..LENGTH) {
            Some(key) => Ok(Self::encode(key)),
            None => Err(misconfigured(format!("{setting} names a file of {} bytes", content.len()))
                .with_hint("the file holds the key itself, 32 bytes")),
        }
    }

    /// The content of the secret that `reference` names, which whoever opens the location has fetched.
    pub(super) fn from_secret(reference: &str, content: Option<&[u8]>) -> Result<Self> {
        let setting = format!("config.customerKeyEncryptionSecret {reference:?}");
        match content {
            Some(key) if key.len() == LENGTH => Ok(Self::encode(key)),
            Some(other) => Err(misconfigured(format!("{setting} has {} bytes", other.len()))
                .with_hint("the secret holds the key itself, exactly 32 bytes")),
            None => Err(misconfigured(format!("{setting} was not found"))
                .with_hint("it is written secret-name/key, and is looked up in the server's namespace")),
        }
    }

    fn encode(key: &[u8]) -> Self {
        Self { key: STANDARD.encode(key), digest: STANDARD.encode(Md5::digest(key)) }
    }

    /// The three headers that every request on an object carries.
    pub(super) fn headers(&self) -> CustomerKeyHeaders {
        CustomerKeyHeaders {
            algorithm: Some("AES256".to_owned()),
            key: Some(self.key.clone()),
            digest: Some(self.digest.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_gives_its_first_32_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs_err::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
        let key = CustomerKey::from_file(path.clone()).await.unwrap();
        assert_eq!(key, CustomerKey::from_secret("s/k", Some(b"0123456789abcdef0123456789abcdef")).unwrap());
        fs_err::write(&path, "short").unwrap();
        assert!(CustomerKey::from_file(path).await.unwrap_err().to_string().contains("5 bytes"));
    }

    #[test]
    fn a_secret_has_exactly_32_bytes() {
        assert!(CustomerKey::from_secret("s/k", Some(&[1; 33])).is_err());
        assert!(CustomerKey::from_secret("s/k", None).unwrap_err().to_string().contains("s/k"));
    }

    #[test]
    fn debug_hides_the_key() {
        let key = CustomerKey::encode(&[b'k'; LENGTH]);
        assert_eq!(format!("{key:?}"), "CustomerKey(***)");
    }
}

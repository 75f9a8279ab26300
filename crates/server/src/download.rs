//! Downloads for stores that have no URLs of their own (a directory): the server answers them itself, under a path that is
//! signed and expires. The same path works through the API server's proxy to the server's pod, for clients that reach nothing else.

use std::fmt;

use bowline_api::request::{DownloadTarget, DownloadTargetKind};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::Sha256;

use crate::failure::ApiError;

/// On a DownloadRequest: the signed path of what it asks for, for clients that must go through the API server's proxy.
pub const DOWNLOAD_PATH_ANNOTATION: &str = "bowline.io/download-path";
/// On a DownloadRequest without URL: why there is none.
pub const MESSAGE_ANNOTATION: &str = "bowline.io/message";

/// The Secret in which all servers of a namespace keep the key of the download URLs that they make.
pub const DOWNLOAD_KEY: &str = "bowline-download-key";
const KEY: &str = "key";

/// Signs and checks paths. The key is in a Secret, so that URLs outlive the server that made them and any server answers them.
pub(crate) struct Signer {
    key: [u8; 32],
}

/// What a signed path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Download {
    pub(crate) location: String,
    pub(crate) target: DownloadTarget,
    pub(crate) expires: Timestamp,
}

impl Signer {
    /// A signer with a key that nobody else has.
    pub(crate) fn new() -> Self {
        let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let mut key = [0; 32];
        key[..16].copy_from_slice(first.as_bytes());
        key[16..].copy_from_slice(second.as_bytes());
        Self { key }
    }

    /// The signer of all servers of the namespace. Where Secrets can't be had it is this server's own.
    pub(crate) async fn shared(client: &Client, namespace: &str) -> Self {
        let own = Self::new();
        match own.agree(&Api::namespaced(client.clone(), namespace)).await {
            Ok(theirs) => theirs.unwrap_or(own),
            Err(error) => {
                tracing::warn!(secret = DOWNLOAD_KEY, error = %error, "only this server will answer the download URLs that it makes");
                own
            }
        }
    }

    /// Offers its key to the other servers; another one's key if there is one already.
    async fn agree(&self, secrets: &Api<Secret>) -> Result<Option<Self>, ApiError> {
        let failed = |error| ApiError::new(format!("share the secret {DOWNLOAD_KEY}"), error);
        let known = secrets.get_opt(DOWNLOAD_KEY).await.map_err(failed)?.and_then(Self::read);
        if known.is_some() {
            return Ok(known);
        }
        let metadata = ObjectMeta { name: Some(DOWNLOAD_KEY.to_owned()), ..ObjectMeta::default() };
        let data = [(KEY.to_owned(), ByteString(self.key.to_vec()))].into();
        let secret = Secret { metadata, data: Some(data), ..Secret::default() };
        match secrets.create(&PostParams::default(), &secret).await.map_err(failed) {
            Ok(_) => Ok(None),
            // Another server was faster.
            Err(error) if error.is_conflict() => {
                Ok(secrets.get_opt(DOWNLOAD_KEY).await.map_err(failed)?.and_then(Self::read))
            }
            Err(error) => Err(error),
        }
    }

    fn read(secret: Secret) -> Option<Self> {
        let key = secret.data?.remove(KEY)?.0.try_into().ok()?;
        Some(Self { key })
    }

    /// The path with its signature. Names in it are those of Kubernetes objects, so nothing needs escaping.
    pub(crate) fn path(&self, download: &Download) -> String {
        let signature = hex::encode(self.mac(download).finalize().into_bytes());
        format!(
            "/download/{}/{}/{}?expires={}&signature={signature}",
            download.location,
            download.target.kind,
            download.target.name,
            download.expires.as_second()
        )
    }

    /// Whether the signature is ours and has not expired.
    pub(crate) fn check(&self, download: &Download, signature: &str, now: Timestamp) -> bool {
        let Ok(signature) = hex::decode(signature) else { return false };
        now < download.expires && self.mac(download).verify_slice(&signature).is_ok()
    }

    fn mac(&self, download: &Download) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length is fine");
        let Download { location, target, expires } = download;
        // A line end can't be part of a name.
        mac.update(
            format!("{location}\n{}\n{}\n{}", target.kind, target.name, expires.as_second()).as_bytes(),
        );
        mac
    }
}

impl Download {
    /// What the parts of a path name.
    pub(crate) fn new(location: &str, kind: &str, name: &str, expires: Timestamp) -> Self {
        let target = DownloadTarget { kind: DownloadTargetKind::from(kind), name: name.to_owned() };
        Self { location: location.to_owned(), target, expires }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_the_signed_target_can_be_had_and_only_for_its_time() {
        let signer = Signer::new();
        let download = Download::new("default", "BackupLog", "web", at(100));
        let path = signer.path(&download);
        assert!(path.starts_with("/download/default/BackupLog/web?expires=100&signature="));
        let signature = path.rsplit('=').next().unwrap();
        assert!(signer.check(&download, signature, at(99)));
        assert!(!signer.check(&download, signature, at(100)));
        for other in [
            Download::new("default", "BackupContents", "web", at(100)),
            Download::new("default", "BackupLog", "db", at(100)),
            Download::new("default", "BackupLog", "web", at(101)),
        ] {
            assert!(!signer.check(&other, signature, at(50)));
        }
        assert!(!Signer::new().check(&download, signature, at(99)));
        assert!(!signer.check(&download, "zz", at(99)));
    }
}

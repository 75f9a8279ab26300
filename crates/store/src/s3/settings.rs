//! The settings of an S3 location: `spec.config` with the keys of Velero's AWS plugin, checked, with their defaults.

use std::path::PathBuf;

use bytes::Bytes;

use super::customer_key::{CustomerKey, CustomerKeyHeaders};
use crate::error::Result;
use crate::location::{Credentials, LocationConfig, check_keys, misconfigured};

/// Every key that the AWS plugin knows, and those that Velero itself adds or reads.
const KEYS: [&str; 19] = [
    "region",
    "s3Url",
    "publicUrl",
    "s3ForcePathStyle",
    "serverSideEncryption",
    "kmsKeyId",
    "customerKeyEncryptionFile",
    "customerKeyEncryptionSecret",
    "profile",
    "credentialsFile",
    "enableSharedConfig",
    "insecureSkipTLSVerify",
    "caCert",
    "tagging",
    "checksumAlgorithm",
    "signatureVersion",
    "bucket",
    "prefix",
    // Read by Velero itself for restic repositories.
    "resticRepoPrefix",
];

/// What an S3 store needs to know. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) bucket: String,
    /// Asked from S3 when neither this nor `endpoint` is set.
    pub(super) region: Option<String>,
    /// The server, when it is not AWS.
    pub(super) endpoint: Option<String>,
    /// The address for signed URLs, when clients reach the server by another one.
    pub(super) public_endpoint: Option<String>,
    pub(super) path_style: bool,
    pub(super) encryption: Encryption,
    pub(super) profile: Option<String>,
    pub(super) credentials: Option<Credentials>,
    /// Read the credentials file as a shared config file too: roles, SSO, processes.
    pub(super) shared_config: bool,
    pub(super) verify_certificates: bool,
    pub(super) ca_cert: Option<Bytes>,
    /// Tags for every object, `key=value` joined by `&`.
    pub(super) tagging: Option<String>,
    pub(super) checksum: Option<Checksum>,
}

/// Who encrypts the objects at rest, and with which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encryption {
    /// As the bucket is set up.
    BucketDefault,
    /// The server with its own keys, by the name of the algorithm, such as `AES256`.
    Server(String),
    /// The server with a key of the key management service, by its ID, alias or ARN.
    Kms(String),
    /// The server with our key, which it forgets after each request.
    Customer(CustomerKey),
}

impl Encryption {
    pub(super) fn customer_key(&self) -> CustomerKeyHeaders {
        match self {
            Self::Customer(key) => key.headers(),
            _ => CustomerKeyHeaders::default(),
        }
    }
}

/// A checksum that is sent along with every upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    Crc32,
    Crc32c,
    Sha1,
    Sha256,
}

impl Settings {
    pub(super) async fn read(location: &LocationConfig, bucket: &str) -> Result<Self> {
        check_keys(&location.config, &KEYS)?;
        if bucket.is_empty() {
            return Err(misconfigured("the bucket is missing").with_hint("set objectStorage.bucket"));
        }
        let config = Config(location);
        config.refuse_old_signatures()?;
        Ok(Self {
            bucket: bucket.to_owned(),
            region: config.text("region"),
            endpoint: config.url("s3Url")?,
            public_endpoint: config.url("publicUrl")?,
            path_style: config.flag("s3ForcePathStyle")?,
            encryption: config.encryption().await?,
            profile: config.text("profile"),
            credentials: config.credentials(),
            shared_config: config.flag("enableSharedConfig")?,
            verify_certificates: !config.flag("insecureSkipTLSVerify")?,
            ca_cert: location.ca_cert.clone().or_else(|| config.text("caCert").map(Bytes::from)),
            tagging: config.tagging()?,
            checksum: config.checksum()?,
        })
    }
}

struct Config<'a>(&'a LocationConfig);

impl Config<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.config.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(ToOwned::to_owned)
    }

    /// The spellings of Go's `ParseBool`.
    fn flag(&self, key: &str) -> Result<bool> {
        match self.get(key) {
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some(other) => Err(misconfigured(format!("config.{key} is {other:?}"))
                .with_hint(format!("config.{key} is \"true\" or \"false\""))),
        }
    }

    fn url(&self, key: &str) -> Result<Option<String>> {
        let Some(url) = self.get(key) else { return Ok(None) };
        let parsed = reqwest::Url::parse(url).ok().filter(|parsed| {
            matches!(parsed.scheme(), "http" | "https")
                && parsed.username().is_empty()
                && parsed.query().is_none()
        });
        match parsed {
            Some(_) => Ok(Some(url.trim_end_matches('/').to_owned())),
            None => Err(misconfigured(format!("config.{key} is not a URL of a server")).with_hint(format!(
                "config.{key} looks like https://s3.example.com:9000, without user or query"
            ))),
        }
    }

    fn refuse_old_signatures(&self) -> Result<()> {
        match self.get("signatureVersion") {
            None | Some("4") => Ok(()),
            Some(other) => Err(misconfigured(format!("config.signatureVersion {other:?} is not supported"))
                .with_hint("only version 4 is; remove the setting, or use a store that accepts version 4")),
        }
    }

    /// The order is the plugin's: a KMS key wins over a named algorithm.
    async fn encryption(&self) -> Result<Encryption> {
        let (file, secret) = (self.get("customerKeyEncryptionFile"), self.get("customerKeyEncryptionSecret"));
        let (kms, named) = (self.get("kmsKeyId"), self.get("serverSideEncryption"));
        let keys =
            [("customerKeyEncryptionFile", file), ("customerKeyEncryptionSecret", secret), ("kmsKeyId", kms)];
        let given: Vec<_> = keys.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| *key).collect();
        if let [first, second, ..] = given[..] {
            return Err(misconfigured(format!("config.{first} and config.{second} exclude each other")));
        }
        Ok(if let Some(path) = file {
            Encryption::Customer(CustomerKey::from_file(PathBuf::from(path)).await?)
        } else if let Some(reference) = secret {
            Encryption::Customer(CustomerKey::from_secret(reference, self.0.customer_key.as_deref())?)
        } else if let Some(key) = kms {
            Encryption::Kms(key.to_owned())
        } else if let Some(algorithm) = named {
            Encryption::Server(algorithm.to_owned())
        } else {
            Encryption::BucketDefault
        })
    }

    fn credentials(&self) -> Option<Credentials> {
        let file = || self.get("credentialsFile").map(|path| Credentials::File(PathBuf::from(path)));
        self.0.credentials.clone().or_else(file)
    }

    /// S3's own limits, so that the first upload doesn't fail on them.
    fn tagging(&self) -> Result<Option<String>> {
        let Some(tags) = self.get("tagging") else { return Ok(None) };
        let pairs: Vec<_> = tags.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        let unusable = |(key, value): &(&str, &str)| key.is_empty() || key.len() > 128 || value.len() > 256;
        if pairs.len() > 10 || pairs.iter().any(unusable) {
            return Err(misconfigured("config.tagging is not a list of tags")
                .with_hint("write key=value, joined by &; at most 10 tags"));
        }
        Ok(Some(tags.to_owned()))
    }

    /// Only where the location names one: several stores that speak S3 refuse uploads that carry a checksum.
    fn checksum(&self) -> Result<Option<Checksum>> {
        match self.get("checksumAlgorithm") {
            None => Ok(None),
            Some("CRC32") => Ok(Some(Checksum::Crc32)),
            Some("CRC32C") => Ok(Some(Checksum::Crc32c)),
            Some("SHA1") => Ok(Some(Checksum::Sha1)),
            Some("SHA256") => Ok(Some(Checksum::Sha256)),
            Some(other) => Err(misconfigured(format!("config.checksumAlgorithm is {other:?}"))
                .with_hint("it is CRC32, CRC32C, SHA1, SHA256, or empty for none")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    async fn read(config: &[(&str, &str)]) -> Result<Settings> {
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Settings::read(&LocationConfig { config, ..LocationConfig::default() }, "bucket").await
    }

    #[tokio::test]
    async fn without_settings_everything_is_as_aws_does_it() {
        let settings = read(&[]).await.unwrap();
        assert!(settings.region.is_none() && settings.endpoint.is_none() && !settings.path_style);
        assert!(settings.verify_certificates && settings.checksum.is_none() && settings.tagging.is_none());
        assert_eq!(settings.encryption, Encryption::BucketDefault);
    }

    #[tokio::test]
    async fn every_setting_is_read() {
        let settings = read(&[
            ("region", "minio"),
            ("s3Url", "http://minio:9000/"),
            ("publicUrl", "https://minio.example.com"),
            ("s3ForcePathStyle", "true"),
            ("serverSideEncryption", "AES256"),
            ("profile", "backup"),
            ("credentialsFile", "/credentials/cloud"),
            ("enableSharedConfig", "1"),
            ("insecureSkipTLSVerify", "T"),
            ("caCert", "PEM"),
            ("tagging", "a=1&b="),
            ("checksumAlgorithm", "SHA256"),
            ("signatureVersion", "4"),
        ])
        .await
        .unwrap();
        assert_eq!(settings.endpoint.as_deref(), Some("http://minio:9000"));
        assert_eq!(settings.public_endpoint.as_deref(), Some("https://minio.example.com"));
        assert!(settings.path_style && settings.shared_config && !settings.verify_certificates);
        assert_eq!(settings.encryption, Encryption::Server("AES256".into()));
        assert!(matches!(settings.credentials, Some(Credentials::File(path)) if path.ends_with("cloud")));
        assert_eq!(
            (settings.region.as_deref(), settings.profile.as_deref()),
            (Some("minio"), Some("backup"))
        );
        assert_eq!(
            (settings.tagging.as_deref(), settings.checksum),
            (Some("a=1&b="), Some(Checksum::Sha256))
        );
        assert_eq!(settings.ca_cert.as_deref(), Some(b"PEM".as_slice()));
    }

    #[tokio::test]
    async fn wrong_settings_are_refused_and_named() {
        let cases = [
            (vec![("regoin", "x")], "config.regoin", "did you mean config.region?"),
            (vec![("forcePathStyle", "x")], "config.forcePathStyle", "did you mean config.s3ForcePathStyle?"),
            (vec![("s3ForcePathStyle", "yes")], "config.s3ForcePathStyle", "\"true\" or \"false\""),
            (vec![("s3Url", "minio:9000")], "config.s3Url", "https://"),
            (vec![("publicUrl", "https://user:pw@minio")], "config.publicUrl", "without user"),
            (vec![("signatureVersion", "1")], "config.signatureVersion", "only version 4"),
            (vec![("checksumAlgorithm", "MD5")], "config.checksumAlgorithm", "CRC32C"),
            (vec![("tagging", "=v")], "config.tagging", "key=value"),
        ];
        for (config, detail, hint) in cases {
            let error = read(&config).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.to_string().contains(detail), "{error}");
            assert!(error.hint().unwrap_or_default().contains(hint), "{error}: {:?}", error.hint());
            assert!(!error.to_string().contains("pw"), "{error}");
        }
    }

    #[tokio::test]
    async fn two_keys_exclude_each_other() {
        let error = read(&[("kmsKeyId", "k"), ("customerKeyEncryptionFile", "/f")]).await.unwrap_err();
        assert!(error.to_string().contains("customerKeyEncryptionFile and config.kmsKeyId"), "{error}");
        let settings = read(&[("kmsKeyId", "k"), ("serverSideEncryption", "AES256")]).await.unwrap();
        assert_eq!(settings.encryption, Encryption::Kms("k".into()));
    }
}

//! From settings to clients: region, credentials, addresses, time limits.

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Builder, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::failure;
use super::http::Http;
use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::location::{Credentials, misconfigured};

/// Tries of one request, with growing pauses between them.
const ATTEMPTS: u32 = 4;
/// One try of a request without content.
const QUICK: Duration = Duration::from_secs(30);
/// One try of a request that carries up to a part, which may have to squeeze through a slow line.
const BULK: Duration = Duration::from_mins(5);
/// Where a server other than AWS does not care.
const ANY_REGION: &str = "us-east-1";

/// The clients of one location. They share connections and credentials.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    /// For requests without content.
    pub(super) quick: Client,
    /// For content.
    pub(super) bulk: Client,
    /// For URLs that are given to others.
    pub(super) public: Client,
    /// The region that requests are signed for.
    pub(super) region: String,
}

pub(super) async fn connect(settings: &Settings) -> Result<Clients> {
    let http = Http::new(settings.ca_cert.as_deref(), settings.verify_certificates)?;
    let region = match (&settings.region, &settings.endpoint) {
        (Some(region), _) => region.clone(),
        (None, Some(_)) => ANY_REGION.to_owned(),
        (None, None) => find_region(&http, &settings.bucket, &AWS).await?,
    };
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.clone()))
        .http_client(http.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        // Bodies have deadlines of their own, which don't run while the reader is the slow one.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let shared = with_credentials(loader, settings, &region, http).await?.load().await;
    // `WhenRequired` also ignores an algorithm that a request names.
    let checksums = match settings.checksum {
        Some(_) => RequestChecksumCalculation::WhenSupported,
        None => RequestChecksumCalculation::WhenRequired,
    };
    let client = |endpoint: Option<&String>, attempt: Duration| {
        let limits = TimeoutConfig::builder().operation_attempt_timeout(attempt).build();
        let config = Builder::from(&shared)
            .force_path_style(settings.path_style)
            .timeout_config(limits)
            .request_checksum_calculation(checksums)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        let config = match endpoint {
            Some(endpoint) => config.endpoint_url(endpoint),
            None => config,
        };
        Client::from_conf(config.build())
    };
    let endpoint = settings.endpoint.as_ref();
    Ok(Clients {
        quick: client(endpoint, QUICK),
        bulk: client(endpoint, BULK),
        public: client(settings.public_endpoint.as_ref().or(endpoint), QUICK),
        region,
    })
}

/// A location's own credentials are the only ones used; without any, the usual chain of environment, profile,
/// web identity, container and instance is.
async fn with_credentials(
    loader: ConfigLoader,
    settings: &Settings,
    region: &str,
    http: Http,
) -> Result<ConfigLoader> {
    let Some(credentials) = &settings.credentials else {
        return Ok(match &settings.profile {
            Some(profile) => loader.profile_name(profile),
            None => loader,
        });
    };
    let files = profile_files(credentials, settings.shared_config).await?;
    let config = ProviderConfig::without_region()
        .with_region(Some(Region::new(region.to_owned())))
        .with_http_client(http);
    let profile = settings.profile.as_deref().unwrap_or("default");
    let provider = ProfileFileCredentialsProvider::builder()
        .configure(&config)
        .profile_files(files.clone())
        .profile_name(profile)
        .build();
    Ok(loader.profile_files(files).profile_name(profile).credentials_provider(provider))
}

async fn profile_files(credentials: &Credentials, shared_config: bool) -> Result<EnvConfigFiles> {
    let mut kinds = vec![EnvConfigFileKind::Credentials];
    if shared_config {
        kinds.push(EnvConfigFileKind::Config);
    }
    let mut files = EnvConfigFiles::builder();
    match credentials {
        Credentials::File(path) => {
            // The provider would only say that there is no such profile.
            fs_err::tokio::metadata(path)
                .await
                .map_err(|cause| misconfigured("the credentials file can't be read").with_source(cause))?;
            for kind in kinds {
                files = files.with_file(kind, path);
            }
        }
        Credentials::Contents(content) => {
            let text = std::str::from_utf8(content).map_err(|_| {
                misconfigured("the credential is not a text").with_hint("it is an AWS credentials file")
            })?;
            for kind in kinds {
                files = files.with_contents(kind, text);
            }
        }
    }
    Ok(files.build())
}

/// One address of S3 in each of AWS's partitions, which don't know of each other's buckets.
const AWS: [&str; 3] = [
    "https://s3.us-east-1.amazonaws.com",
    "https://s3.us-gov-west-1.amazonaws.com",
    "https://s3.cn-north-1.amazonaws.com.cn",
];

/// Asks S3 where a bucket is. The answer is a header on replies of any status, also of a refusal, so no credentials
/// are needed.
async fn find_region(http: &Http, bucket: &str, servers: &[&str]) -> Result<String> {
    let action = || format!("find the region of the bucket {bucket}");
    let hint = "set config.region, or config.s3Url for a server other than AWS";
    let mut failed = None;
    for server in servers {
        match http.client().head(format!("{server}/{bucket}")).timeout(QUICK).send().await {
            Ok(reply) => {
                let region =
                    reply.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
                if let Some(region) = region {
                    return Ok(region.to_owned());
                }
            }
            Err(cause) => {
                failed = Some(failure::of_connection(action(), &cause.without_url()).with_hint(hint));
            }
        }
    }
    Err(failed.unwrap_or_else(|| Error::new(ErrorKind::BucketNotFound, action()).with_hint(hint)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A server that gives every connection the same reply.
    async fn server(reply: &'static str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(reply.as_bytes()).await;
            }
        });
        address
    }

    const UNKNOWN: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const MOVED: &str =
        "HTTP/1.1 403 Forbidden\r\nx-amz-bucket-region: eu-west-1\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn the_region_is_taken_from_the_first_server_that_knows_the_bucket() {
        let http = Http::new(None, true).unwrap();
        let (unknown, moved) = (server(UNKNOWN).await, server(MOVED).await);
        assert_eq!(find_region(&http, "bkt", &[&unknown, &moved]).await.unwrap(), "eu-west-1");
        let error = find_region(&http, "bkt", &[&unknown]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BucketNotFound);
        let error = find_region(&http, "bkt", &["http://127.0.0.1:1"]).await.unwrap_err();
        assert!(
            error.kind() == ErrorKind::Unreachable && error.hint().unwrap().contains("config.region"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_missing_credentials_file_is_named_as_the_reason() {
        let error = profile_files(&Credentials::File("/does/not/exist".into()), false).await.unwrap_err();
        assert!(error.to_string().contains("credentials file"), "{error}");
    }
}

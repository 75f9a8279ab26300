//! What S3 and the way to it say when something fails, translated into [`ErrorKind`]s, reasons and hints.

use std::error::Error as StdError;
use std::io;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use rustls::CertificateError;

use crate::error::{Error, ErrorKind};

/// Where a call went.
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    /// What the request was signed for.
    pub(super) region: &'a str,
    /// The server, where it is not AWS's own.
    pub(super) endpoint: Option<&'a str>,
}

impl Place<'_> {
    /// The action with the address that did not answer.
    fn at(&self, action: &str) -> String {
        // Whatever stands before the host is no business of a log.
        let host =
            |url: &str| url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, host)| host.to_owned());
        self.endpoint.map_or_else(|| action.to_owned(), |url| format!("{action} at {}", host(url)))
    }
}

/// The error of a call on the bucket.
pub(super) fn of_call<E>(place: &Place<'_>, action: String, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let response = error.raw_response();
    let status = response.map(|response| response.status().as_u16());
    let region = response.and_then(|response| response.headers().get("x-amz-bucket-region"));
    let actual_region = region.filter(|region| *region != place.region);
    match error {
        SdkError::ServiceError(service) => {
            let reply = Reply {
                status: status.unwrap_or_default(),
                code: service.err().code(),
                message: service.err().message(),
                actual_region,
            };
            reply.into_error(place.bucket, action)
        }
        SdkError::ResponseError(_) => {
            let detail = format!("the answer with status {} is not S3's", status.unwrap_or_default());
            Error::new(ErrorKind::Other, action).with_detail(detail).with_hint(NOT_S3)
        }
        SdkError::TimeoutError(_) => Error::new(ErrorKind::Timeout, place.at(&action)),
        other => of_connection(place.at(&action), other),
    }
}

const NOT_S3: &str = "check that config.s3Url is the address of the S3 API, not of a console or a proxy";

/// What a server said.
struct Reply<'a> {
    status: u16,
    code: Option<&'a str>,
    message: Option<&'a str>,
    /// The bucket's region, when it is another than that of the request.
    actual_region: Option<&'a str>,
}

impl Reply<'_> {
    fn into_error(self, bucket: &str, action: String) -> Error {
        let kind = self.kind();
        let mut error = Error::new(kind, action);
        // A reply to HEAD has no body, so no code either.
        let said = match (self.code, self.message) {
            (Some(code), Some(message)) if !message.is_empty() => format!("{code}: {message}"),
            (Some(code), _) => code.to_owned(),
            (None, _) => format!("status {}", self.status),
        };
        if kind != ErrorKind::NotFound {
            error = error.with_detail(said);
        }
        match self.hint(kind, bucket) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self.code.unwrap_or_default() {
            "NoSuchKey" | "NotFound" | "NoSuchVersion" => ErrorKind::NotFound,
            "NoSuchBucket" => ErrorKind::BucketNotFound,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "RequestTimeTooSkewed"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "CredentialsNotSupported" => ErrorKind::Unauthenticated,
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "InvalidBucketName"
            | "InvalidTag" => ErrorKind::Misconfigured,
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "InvalidObjectState"
            | "MethodNotAllowed" => ErrorKind::PermissionDenied,
            "QuotaExceeded"
            | "XMinioStorageFull"
            | "XMinioAdminBucketQuotaExceeded"
            | "InsufficientStorage"
            | "StorageFull" => ErrorKind::Full,
            "PreconditionFailed" | "ConditionalRequestConflict" => ErrorKind::Precondition,
            "InvalidRange" => ErrorKind::InvalidRange,
            "KeyTooLongError" | "XMinioInvalidObjectName" | "InvalidURI" => ErrorKind::InvalidKey,
            "EntityTooLarge" => ErrorKind::TooLarge,
            "NotImplemented" | "XNotImplemented" => ErrorKind::NotSupported,
            "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" => {
                ErrorKind::Corrupt
            }
            "SlowDown"
            | "ServiceUnavailable"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "XMinioServerNotInitialized"
            | "SlowDownRead"
            | "SlowDownWrite"
            | "InternalError" => ErrorKind::Busy,
            "RequestTimeout" => ErrorKind::Timeout,
            _ => self.kind_by_status(),
        }
    }

    fn kind_by_status(&self) -> ErrorKind {
        match self.status {
            301 | 307 | 308 => ErrorKind::Misconfigured,
            400 if self.actual_region.is_some() => ErrorKind::Misconfigured,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            404 => ErrorKind::NotFound,
            409 | 412 => ErrorKind::Precondition,
            413 => ErrorKind::TooLarge,
            416 => ErrorKind::InvalidRange,
            429 | 500 | 502 | 503 => ErrorKind::Busy,
            408 | 504 => ErrorKind::Timeout,
            501 => ErrorKind::NotSupported,
            507 => ErrorKind::Full,
            _ => ErrorKind::Other,
        }
    }

    fn hint(&self, kind: ErrorKind, bucket: &str) -> Option<String> {
        let code = self.code.unwrap_or_default();
        let text = match (kind, code) {
            (_, "RequestTimeTooSkewed") => "the clocks of this machine and the store differ; set the time",
            (_, "InvalidAccessKeyId" | "InvalidClientTokenId") => {
                "the store does not know this access key; check the location's credential and profile"
            }
            (_, "SignatureDoesNotMatch") => {
                "the secret key does not belong to the access key; check the location's credential"
            }
            (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => {
                "the session has expired; renew the location's credential"
            }
            (_, "InvalidObjectState") => {
                "the object was moved to an archive; bring it back into the bucket first"
            }
            (ErrorKind::Unauthenticated, _) => "check the location's credential and profile",
            (ErrorKind::PermissionDenied, _) => {
                "allow this user to list the bucket and to get, put and delete its objects"
            }
            (ErrorKind::BucketNotFound, _) => {
                return Some(format!("create the bucket {bucket}, or correct objectStorage.bucket"));
            }
            (ErrorKind::Misconfigured, _) => return Some(self.setting_hint(bucket)),
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn setting_hint(&self, bucket: &str) -> String {
        // "… the region 'us-east-1' is wrong; expecting 'eu-west-1'"
        let expected = |message: &str| {
            let (_, rest) = message.split_once("expecting '")?;
            rest.split_once('\'').map(|(region, _)| region.to_owned())
        };
        match self.actual_region.map(ToOwned::to_owned).or_else(|| self.message.and_then(expected)) {
            Some(region) => format!("the region of the bucket {bucket} is {region}; set config.region to it"),
            None if self.code == Some("InvalidBucketName") => "correct objectStorage.bucket".to_owned(),
            None => "check config.region and config.s3Url".to_owned(),
        }
    }
}

/// The error of a request that got no answer.
pub(super) fn of_connection(action: String, error: &(dyn StdError + 'static)) -> Error {
    if let Some(certificate) = certificate_error(error) {
        let (detail, hint) = explain_certificate(&certificate);
        return Error::new(ErrorKind::Untrusted, action).with_detail(detail).with_hint(hint);
    }
    if find::<CredentialsError>(error).is_some() {
        return no_credentials(action, error);
    }
    let root = root_cause(error);
    if find::<rustls::Error>(error).is_some() {
        let hint = "check that config.s3Url has the right scheme, http or https, and port";
        // What was read is no TLS at all; the library tells it byte by byte.
        let detail = if root.contains("corrupt message") { "it does not speak TLS".to_owned() } else { root };
        return Error::new(ErrorKind::Unreachable, action).with_detail(detail).with_hint(hint);
    }
    let timed_out = find::<io::Error>(error).is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
        || find::<reqwest::Error>(error).is_some_and(reqwest::Error::is_timeout);
    let kind = if timed_out { ErrorKind::Timeout } else { ErrorKind::Unreachable };
    Error::new(kind, action).with_detail(root).with_hint("check config.s3Url, the network and its proxies")
}

fn no_credentials(action: String, error: &(dyn StdError + 'static)) -> Error {
    let detail = match find::<CredentialsError>(error) {
        // The machine's metadata are asked last. What they answer where there is no role says nothing to those who forgot the keys.
        _ if find::<ImdsError>(error).is_some() => NONE_ANYWHERE.to_owned(),
        Some(CredentialsError::CredentialsNotLoaded(_)) | None => "no credentials were found".to_owned(),
        Some(cause) => format!("the credentials could not be loaded: {}", root_cause(cause)),
    };
    Error::new(ErrorKind::Unauthenticated, action).with_detail(detail).with_hint(GIVE_CREDENTIALS)
}

const NONE_ANYWHERE: &str =
    "no credentials were found: the location names none, and neither environment nor machine have any";
const GIVE_CREDENTIALS: &str = "give the location a credential, which is a Secret and the key in it under which a file holds \
     aws_access_key_id and aws_secret_access_key, or check its profile";

fn explain_certificate(error: &CertificateError) -> (&'static str, &'static str) {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("its certificate has expired", "renew the certificate of the store")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet",
            "check the clock of this machine, and the certificate of the store",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("its certificate is for another name", "use a name from the certificate in config.s3Url")
        }
        CertificateError::UnknownIssuer => (
            "its certificate is signed by an unknown authority",
            "give the location the certificate of that authority in objectStorage.caCertRef or caCert",
        ),
        CertificateError::Revoked => ("its certificate was revoked", "renew the certificate of the store"),
        _ => (
            "its certificate is not acceptable",
            "a self-signed certificate has to be a CA to be trusted by objectStorage.caCertRef; else renew it",
        ),
    }
}

/// The complaint about a certificate among the causes of an error.
pub(super) fn certificate_error(error: &(dyn StdError + 'static)) -> Option<CertificateError> {
    match find::<rustls::Error>(error)? {
        rustls::Error::InvalidCertificate(cause) => Some(cause.clone()),
        _ => None,
    }
}

/// The innermost error of a type. An `io::Error` hides what it wraps from `source()`, so it is looked into.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).filter_map(|cause| cause.downcast_ref::<T>()).last()
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, code: Option<&str>, actual_region: Option<&str>) -> Error {
        let message = Some("a message");
        Reply { status, code, message, actual_region }.into_error("bkt", "list \"\"".into())
    }

    #[test]
    fn replies_are_told_apart_by_code_and_hint() {
        let cases = [
            (404, "NoSuchKey", ErrorKind::NotFound, ""),
            (404, "NoSuchBucket", ErrorKind::BucketNotFound, "create the bucket bkt"),
            (403, "InvalidAccessKeyId", ErrorKind::Unauthenticated, "does not know this access key"),
            (403, "SignatureDoesNotMatch", ErrorKind::Unauthenticated, "secret key does not belong"),
            (400, "ExpiredToken", ErrorKind::Unauthenticated, "has expired"),
            (403, "RequestTimeTooSkewed", ErrorKind::Unauthenticated, "clocks"),
            (403, "AccessDenied", ErrorKind::PermissionDenied, "allow this user"),
            (507, "XMinioStorageFull", ErrorKind::Full, "free space"),
            (503, "SlowDown", ErrorKind::Busy, ""),
            (501, "NotImplemented", ErrorKind::NotSupported, ""),
            (400, "BadDigest", ErrorKind::Corrupt, ""),
            (500, "InternalError", ErrorKind::Busy, ""),
        ];
        for (status, code, kind, hint) in cases {
            let error = reply(status, Some(code), None);
            assert_eq!(error.kind(), kind, "{code}");
            assert!(error.hint().unwrap_or_default().contains(hint), "{code}: {:?}", error.hint());
        }
    }

    #[test]
    fn replies_without_a_code_are_told_by_their_status() {
        let cases = [(404, ErrorKind::NotFound), (403, ErrorKind::PermissionDenied), (503, ErrorKind::Busy)];
        for (status, kind) in cases {
            assert_eq!(reply(status, None, None).kind(), kind);
        }
        assert!(reply(403, None, None).to_string().ends_with("access denied (status 403)"));
    }

    #[test]
    fn a_wrong_region_is_answered_with_the_right_one() {
        for error in [
            reply(301, None, Some("eu-west-1")),
            reply(301, Some("PermanentRedirect"), Some("eu-west-1")),
            Reply {
                status: 400,
                code: Some("AuthorizationHeaderMalformed"),
                message: Some("the region 'us-east-1' is wrong; expecting 'eu-west-1'"),
                actual_region: None,
            }
            .into_error("bkt", "list".into()),
        ] {
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert_eq!(
                error.hint(),
                Some("the region of the bucket bkt is eu-west-1; set config.region to it")
            );
        }
    }

    #[test]
    fn certificates_are_judged_one_by_one() {
        let cases = [
            (CertificateError::Expired, "has expired"),
            (CertificateError::UnknownIssuer, "unknown authority"),
            (CertificateError::NotValidForName, "another name"),
            (CertificateError::NotValidYet, "not valid yet"),
        ];
        for (certificate, detail) in cases {
            let cause = io::Error::other(rustls::Error::InvalidCertificate(certificate));
            let error = of_connection("list".into(), &io::Error::other(cause));
            assert_eq!(error.kind(), ErrorKind::Untrusted);
            assert!(error.to_string().contains(detail) && error.hint().is_some(), "{error}");
        }
    }

    #[test]
    fn a_server_without_tls_is_told_in_plain_words() {
        let cause = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let error = of_connection("list".into(), &io::Error::other(cause));
        assert!(error.to_string().ends_with("(it does not speak TLS)"), "{error}");
        assert!(error.hint().unwrap_or_default().contains("http or https"), "{error}");
    }

    #[test]
    fn a_server_that_does_not_answer_is_named_without_passwords() {
        let at = |endpoint| Place { bucket: "b", region: "r", endpoint }.at("list");
        assert_eq!(at(Some("http://s3.shop:9000")), "list at http://s3.shop:9000");
        assert_eq!(at(Some("http://me:pass@s3.shop")), "list at s3.shop");
        assert_eq!(at(None), "list");
    }

    #[test]
    fn missing_credentials_and_dead_hosts_are_told_apart() {
        let missing = CredentialsError::not_loaded("nothing in the environment");
        assert_eq!(of_connection("list".into(), &missing).kind(), ErrorKind::Unauthenticated);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = of_connection("list".into(), &refused);
        assert!(error.kind() == ErrorKind::Unreachable && error.is_retryable(), "{error}");
        let late = io::Error::from(io::ErrorKind::TimedOut);
        assert_eq!(of_connection("list".into(), &late).kind(), ErrorKind::Timeout);
    }
}

//! The one error of this crate: what was attempted, what kind of failure it was, what the store said, and what
//! the user can do about it. Kinds are closed by meaning, so that callers decide by question (`is_not_found()`),
//! never by provider. Text that came from a provider passes [`redact`] before it is kept.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use bowline_api::plain;

/// The result of every call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync>;

/// A failed call on a store.
///
/// `Display` says what was attempted, the kind and, where the store gave one, its reason; the cause is in
/// `source()`. Nothing in it is secret: credentials, keys and signatures never get here.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Facts>);

#[derive(Debug)]
struct Facts {
    kind: ErrorKind,
    action: String,
    detail: Option<String>,
    hint: Option<Cow<'static, str>>,
    source: Option<Source>,
}

/// What a failure means to the caller, whatever the provider calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object does not exist.
    NotFound,
    /// The bucket, or the directory that stands for it, does not exist.
    BucketNotFound,
    /// A put with `if_absent` found an object under the key.
    AlreadyExists,
    /// The object changed while it was being read or written.
    Precondition,
    /// The store knows who asks and refuses.
    PermissionDenied,
    /// Missing, wrong or expired credentials.
    Unauthenticated,
    /// The store's certificate can't be trusted.
    Untrusted,
    /// This store can't do that, ever.
    NotSupported,
    /// No space, or a quota is used up.
    Full,
    /// The key breaks the rules of [`crate::key`] or of the store.
    InvalidKey,
    /// The range lies outside of the object or is empty.
    InvalidRange,
    /// The location is configured wrongly; the hint names the setting.
    Misconfigured,
    /// What was read is not what was written.
    Corrupt,
    /// Larger than the limit that the caller, the format or the store sets.
    TooLarge,
    /// The caller's own stream of data failed.
    Source,
    /// The store asks to slow down, or has trouble of its own that may pass.
    Busy,
    /// No answer in time.
    Timeout,
    /// No connection.
    Unreachable,
    /// Anything else.
    Other,
}

impl ErrorKind {
    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::BucketNotFound => "bucket does not exist",
            Self::AlreadyExists => "already exists",
            Self::Precondition => "changed in the meantime",
            Self::PermissionDenied => "access denied",
            Self::Unauthenticated => "no valid credentials",
            Self::Untrusted => "the store's certificate is not trusted",
            Self::NotSupported => "not supported by this store",
            Self::Full => "no space left",
            Self::InvalidKey => "invalid key",
            Self::InvalidRange => "invalid range",
            Self::Misconfigured => "the location is not configured correctly",
            Self::Corrupt => "the data is damaged",
            Self::TooLarge => "too large",
            Self::Source => "the data to store could not be read",
            Self::Busy => "the store is overloaded or in trouble",
            Self::Timeout => "no answer in time",
            Self::Unreachable => "the store can't be reached",
            Self::Other => "the store failed",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}: {}", self.action, self.kind)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl StdError for Facts {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Error {
    /// A failure of `kind` while trying to `action` ("put backups/a/a.tar.gz"; lower case, an infinitive).
    pub fn new(kind: ErrorKind, action: impl Into<String>) -> Self {
        Self(Box::new(Facts { kind, action: action.into(), detail: None, hint: None, source: None }))
    }

    /// Adds the reason in the store's words, on one line and without anything that looks like a signature or token.
    #[must_use]
    pub fn with_detail(mut self, detail: impl AsRef<str>) -> Self {
        self.0.detail = Some(redact(detail.as_ref()));
        self
    }

    /// Adds what became of the attempt, behind the store's own words.
    #[must_use]
    pub(crate) fn with_note(mut self, note: &str) -> Self {
        self.0.detail = Some(match self.0.detail.take() {
            Some(detail) => format!("{detail}; {note}"),
            None => note.to_owned(),
        });
        self
    }

    /// Adds what the user can do about it, as a sentence without full stop.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the cause. Its text must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the failure means.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref().or(match self.kind() {
            ErrorKind::Full => Some("free space or raise the quota; deleting a backup needs no free space"),
            _ => None,
        })
    }

    /// The object (not the bucket) does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// A conditional put lost against an existing object.
    pub fn is_already_exists(&self) -> bool {
        self.kind() == ErrorKind::AlreadyExists
    }

    /// The same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind(), ErrorKind::Busy | ErrorKind::Timeout | ErrorKind::Unreachable)
    }
}

/// The action of a list, for [`Error::new`].
pub(crate) fn listing(prefix: &str) -> String {
    if prefix.is_empty() { "list the bucket".to_owned() } else { format!("list {prefix:?}") }
}

const MAX_DETAIL: usize = 500;
const MASKED: [&str; 6] = [
    "X-Amz-Signature=",
    "X-Amz-Credential=",
    "X-Amz-Security-Token=",
    "Signature=",
    "Credential=",
    "AWSAccessKeyId=",
];

/// Puts provider text on one line of bounded length and blanks the values of signature and credential parameters.
pub(crate) fn redact(text: &str) -> String {
    let mut line = plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
    for parameter in MASKED {
        let mut from = 0;
        while let Some(at) = line[from..].find(parameter) {
            let start = from + at + parameter.len();
            let length = line[start..].find(['&', ' ', ',', '"', '\'']).unwrap_or(line.len() - start);
            line.replace_range(start..start + length, "***");
            from = start + 3;
        }
    }
    if let Some((cut, _)) = line.char_indices().nth(MAX_DETAIL) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_action_kind_and_reason_and_leaves_the_cause_to_source() {
        let error = Error::new(ErrorKind::PermissionDenied, "put backups/a/x")
            .with_detail("AccessDenied:\n no s3:PutObject")
            .with_source(std::io::Error::other("socket"));
        assert_eq!(
            error.to_string(),
            "failed to put backups/a/x: access denied (AccessDenied: no s3:PutObject)"
        );
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("socket"));
    }

    #[test]
    fn signatures_and_credentials_in_provider_text_are_masked() {
        let text = redact("GET /b?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=abc HTTP, Signature=def, end");
        assert_eq!(text, "GET /b?X-Amz-Credential=***&X-Amz-Signature=*** HTTP, Signature=***, end");
    }

    #[test]
    fn long_provider_text_is_cut() {
        assert_eq!(redact(&"ä".repeat(2000)).chars().count(), MAX_DETAIL + 1);
    }

    #[test]
    fn only_failures_that_pass_by_themselves_are_retryable() {
        let retryable = |kind| Error::new(kind, "get x").is_retryable();
        assert!(
            retryable(ErrorKind::Busy) && retryable(ErrorKind::Timeout) && retryable(ErrorKind::Unreachable)
        );
        assert!(!retryable(ErrorKind::Full) && !retryable(ErrorKind::Unauthenticated));
    }
}

//! The cluster: objects as raw text, one call a method, errors closed by meaning.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use crate::catalog::{Catalog, Kind};
use crate::object::{Object, Page};

/// An API server.
///
/// Every method is one attempt at one request with a deadline of its own; retries belong to the caller ([`crate::retry`]), which
/// knows whether a repetition is safe. Dropping a future cancels the request, but a write may have happened.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// The server's version.
    async fn version(&self) -> Result<ServerVersion, ClusterError>;

    /// Reads all served kinds, fresh from the server. MUST survive groups whose aggregated server is down and name them in
    /// [`Catalog::broken`].
    async fn discover(&self) -> Result<Catalog, ClusterError>;

    /// Reads one page of a list. Answers above `page.max_bytes` end in [`ClusterError::PageTooLarge`], without having been held
    /// in memory whole.
    async fn list(&self, kind: &Kind, query: &ListQuery, page: &PageRequest) -> Result<Page, ClusterError>;

    /// Reads one object.
    async fn get(&self, object: &ObjectRef) -> Result<Object, ClusterError>;

    /// Creates an object in `object.namespace` from its JSON text, and returns what the server stored. The name is inside the text.
    async fn create(
        &self,
        object: &ObjectRef,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError>;

    /// Patches an object, or its `subresource` when given, and returns what the server stored.
    async fn patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError>;

    /// Replaces an object's status by that of `body` (a PUT to the status subresource).
    async fn replace_status(
        &self,
        object: &ObjectRef,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Object, ClusterError>;

    /// Deletes an object in the background. An object that is gone already is [`ClusterError::NotFound`].
    async fn delete(&self, object: &ObjectRef) -> Result<(), ClusterError>;

    /// Waits until `condition` holds for the object (`None` once it is absent), or the deadline passes
    /// ([`ClusterError::Timeout`]). Checks at least once.
    async fn wait(
        &self,
        object: &ObjectRef,
        condition: Condition,
        deadline: Duration,
    ) -> Result<(), ClusterError>;
}

/// A pure predicate on an object, or on its absence.
pub type Condition = Arc<dyn Fn(Option<&Object>) -> bool + Send + Sync>;

/// The server's version, as its `/version` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerVersion {
    /// Such as `v1.34.2`.
    pub git_version: String,
    /// Such as `1`.
    pub major: String,
    /// Such as `34`.
    pub minor: String,
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Kind, at the version to talk to the server in.
    pub kind: Arc<Kind>,
    /// Namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.group_resource())?;
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// One namespace, or all of them.
    pub namespace: Option<String>,
    /// Label selector in the API's string form; empty selects everything.
    pub label_selector: String,
    /// Field selector in the API's string form, such as `metadata.name=web`; empty selects everything.
    pub field_selector: String,
}

/// Which page to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Most objects in the page; 0 asks for all at once.
    pub limit: u32,
    /// Token of the page before; `None` for the first page.
    pub continue_token: Option<String>,
    /// Most bytes of the answer.
    pub max_bytes: usize,
}

/// Options of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// `fieldManager`; empty for the client's own name.
    pub field_manager: String,
    /// Whether the server shall only check (`dryRun=All`).
    pub dry_run: bool,
}

/// A change to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch {
    /// RFC 7396.
    Merge(Bytes),
    /// RFC 6902.
    Json(Bytes),
    /// Kubernetes' own; not for custom resources.
    Strategic(Bytes),
    /// Server-side apply, forced.
    Apply(Bytes),
}

/// Why a request to the API server failed, closed by meaning.
#[derive(Clone, Debug, Error)]
pub enum ClusterError {
    /// 404: the object, or the whole kind, is not there.
    #[error("{message}")]
    NotFound {
        /// The server's message.
        message: String,
    },
    /// 409 on create.
    #[error("{message}")]
    AlreadyExists {
        /// The server's message.
        message: String,
    },
    /// 409 on an update: the object has changed meanwhile.
    #[error("{message}")]
    Conflict {
        /// The server's message.
        message: String,
    },
    /// 400, 422 and other refusals of the content.
    #[error("{message}")]
    Invalid {
        /// The server's message; users and Velero's results show it word for word.
        message: String,
    },
    /// 403.
    #[error("{message}")]
    Forbidden {
        /// The server's message.
        message: String,
    },
    /// 401, or no usable credentials.
    #[error("{message}")]
    Unauthorized {
        /// The server's message.
        message: String,
    },
    /// 410: the continue token or resource version is too old.
    #[error("the list's continue token has expired")]
    Expired,
    /// 429, or 503 with Retry-After.
    #[error("the API server asks to slow down")]
    TooManyRequests {
        /// What it said in Retry-After.
        retry_after: Option<Duration>,
    },
    /// The request's deadline passed.
    #[error("the API server did not answer in time")]
    Timeout,
    /// The server can't be reached, or closed the connection; 502 to 504.
    #[error("the API server can't be reached: {message}")]
    Unavailable {
        /// What the connection said.
        message: String,
    },
    /// A list page above the asked size.
    #[error("the answer is larger than {max_bytes} bytes")]
    PageTooLarge {
        /// The limit that was asked for.
        max_bytes: usize,
    },
    /// An answer that can't be understood.
    #[error("failed to read the API server's answer: {message}")]
    Decode {
        /// What is wrong with it.
        message: String,
    },
    /// Any other answer.
    #[error("the API server answered {code}: {message}")]
    Server {
        /// HTTP status code.
        code: u16,
        /// The server's message.
        message: String,
    },
}

impl ClusterError {
    /// Whether the same request may succeed later: overload, time-outs, broken connections, server faults.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TooManyRequests { .. } | Self::Timeout | Self::Unavailable { .. } => true,
            // A broken admission webhook answers 500 again and again; waiting for it would hold up every object of the kind.
            Self::Server { code, message } => *code >= 500 && !message.contains("failed calling webhook"),
            _ => false,
        }
    }

    /// Whether the object (or its kind) is absent.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether an object of that name is there already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }

    /// How long the server asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after } => *retry_after,
            _ => None,
        }
    }
}

//! From a kubeconfig, or from inside a pod, to a client that has answered once; or a clear reason why not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bowline_engine::finding::chain;
use bowline_engine::port::{Cluster, ClusterError, ServerVersion};
use http::header::USER_AGENT;
use http::{HeaderValue, Uri};
use kube::config::{KubeConfigOptions, Kubeconfig};
use thiserror::Error;

use super::ApiServer;
use super::limit::RateLimit;

/// How to reach the cluster.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// A kubeconfig file; `None` looks where kubectl looks, then at the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; `None` for the current one.
    pub context: Option<String>,
    /// Requests per second on average (`--client-qps`); `None` follows the server's own back-pressure.
    pub qps: Option<f32>,
    /// Requests at once under `qps` (`--client-burst`).
    pub burst: u32,
    /// Whether to ask for gzip. It saves bytes on slow networks, and costs the API server a core for each large list.
    pub compression: bool,
    /// How long the first answer may take.
    pub timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            qps: None,
            burst: 100,
            compression: false,
            timeout: Duration::from_secs(5),
        }
    }
}

/// A client whose API server has answered. Cloning is cheap.
#[derive(Clone)]
pub struct Connection {
    /// The client, without retries of its own.
    pub client: kube::Client,
    /// Address of the API server.
    pub url: String,
    /// Namespace of the context, `default` where it names none.
    pub default_namespace: String,
    pub(super) limit: Option<Arc<RateLimit>>,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The kubeconfig that was named can't be used.
    #[error("failed to use the kubeconfig {path}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// No kubeconfig was found and this is not a pod.
    #[error("found neither a usable kubeconfig nor the service account of a pod")]
    NoConfiguration(#[source] kube::config::KubeconfigError),
    /// The configuration holds certificates or proxies that can't be used.
    #[error("failed to prepare the connection to {url}")]
    Client {
        /// Address of the API server.
        url: String,
        /// What is wrong.
        #[source]
        source: kube::Error,
    },
    /// The API server did not give its version.
    #[error("failed to reach the API server at {url}")]
    Server {
        /// Address of the API server.
        url: String,
        /// What happened.
        #[source]
        source: ClusterError,
    },
}

impl ConnectError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Kubeconfig { .. } => {
                "check the file and the context given by --kubeconfig and --kubecontext"
            }
            Self::NoConfiguration(_) => "name a kubeconfig by --kubeconfig or the variable KUBECONFIG",
            Self::Client { .. } => "check the certificates, keys and the proxy that the kubeconfig names",
            Self::Server {
                source: ClusterError::Unauthorized { .. } | ClusterError::Forbidden { .. },
                ..
            } => {
                "the server does not accept these credentials; try `kubectl auth whoami` with the same kubeconfig"
            }
            Self::Server { source: ClusterError::Unavailable { message }, .. }
                if message.contains("certificate") =>
            {
                "the server's certificate does not fit the certificate-authority of the kubeconfig"
            }
            Self::Server { .. } => {
                "check that the cluster runs and that its address can be reached from here"
            }
        }
    }
}

/// Reads the configuration, makes a client, and asks the API server for its version.
pub async fn connect(options: &ConnectOptions) -> Result<(Connection, ServerVersion), ConnectError> {
    let mut config = load(options).await?;
    config.default_retry = false;
    config.disable_compression = !options.compression;
    config.connect_timeout = Some(options.timeout);
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(concat!("bowline/", env!("CARGO_PKG_VERSION")))));
    let url = address(&config.cluster_url);
    let default_namespace = config.default_namespace.clone();
    let client =
        kube::Client::try_from(config).map_err(|source| ConnectError::Client { url: url.clone(), source })?;
    let limit = options.qps.and_then(|qps| RateLimit::new(qps, options.burst)).map(Arc::new);
    let connection = Connection { client, url, default_namespace, limit };
    let version = probe(&connection, options.timeout).await?;
    Ok((connection, version))
}

async fn load(options: &ConnectOptions) -> Result<kube::Config, ConnectError> {
    let choice = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    if let Some(path) = &options.kubeconfig {
        let failed = |source| ConnectError::Kubeconfig { path: path.display().to_string(), source };
        let file = Kubeconfig::read_from(path).map_err(failed)?;
        return kube::Config::from_custom_kubeconfig(file, &choice).await.map_err(failed);
    }
    match kube::Config::from_kubeconfig(&choice).await {
        Ok(config) => Ok(config),
        Err(error) => kube::Config::incluster().map_err(|_| ConnectError::NoConfiguration(error)),
    }
}

async fn probe(connection: &Connection, timeout: Duration) -> Result<ServerVersion, ConnectError> {
    let server = ApiServer::new(connection);
    let answer = tokio::time::timeout(timeout, server.version()).await.unwrap_or(Err(ClusterError::Timeout));
    answer.map_err(|source| ConnectError::Server { url: connection.url.clone(), source })
}

/// The address without what might be secret in it.
fn address(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https");
    let host = url.host().unwrap_or_default();
    url.port_u16().map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}"))
}

impl Connection {
    /// A connection over a client that is ready, such as one over an API server in memory.
    pub fn over(client: kube::Client) -> Self {
        let default_namespace = client.default_namespace().to_owned();
        Self { client, url: "a given client".to_owned(), default_namespace, limit: None }
    }

    /// The same API server by way of another client.
    pub(crate) fn through(&self, client: kube::Client) -> Self {
        Self { client, ..self.clone() }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A failed request of kube's client, by meaning.
pub(super) fn transport_error(error: &kube::Error) -> ClusterError {
    match error {
        kube::Error::Auth(_) => ClusterError::Unauthorized { message: chain(error) },
        kube::Error::Service(error) => ClusterError::Unavailable { message: chain(&**error) },
        kube::Error::Api(status) => {
            ClusterError::Server { code: status.code, message: status.message.clone() }
        }
        _ => ClusterError::Unavailable { message: chain(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_server_and_a_missing_file_are_told_apart() {
        let missing =
            ConnectOptions { kubeconfig: Some("/nonexistent/kubeconfig".into()), ..Default::default() };
        let error = connect(&missing).await.unwrap_err();
        assert!(matches!(error, ConnectError::Kubeconfig { .. }));
        assert!(error.to_string().contains("/nonexistent/kubeconfig"), "{error}");
    }

    #[test]
    fn addresses_carry_no_user_information() {
        let url = "https://user:secret@10.0.0.1:6443/path".parse().unwrap();
        assert_eq!(address(&url), "https://10.0.0.1:6443");
    }
}

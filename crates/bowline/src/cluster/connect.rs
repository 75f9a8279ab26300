//! Finds the cluster: kubeconfig by flag, by environment, in the home directory, or the pod's own account.

use std::time::Duration;

use bowline_server::VERSION;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::Cluster;
use crate::cluster::explain;
use crate::config::Environment;
use crate::failure::{Failure, causes};
use crate::nearest::nearest;
use crate::session::Settings;

/// Commit that this program was built from, where the build said so.
pub(crate) const COMMIT: Option<&str> = option_env!("BOWLINE_GIT_COMMIT");
/// A dead API server must be told within five seconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);

/// Makes a client. Nothing is sent yet.
pub(crate) async fn connect(environment: &Environment, settings: &Settings) -> anyhow::Result<Cluster> {
    let mut config = find(environment, settings).await?;
    config.connect_timeout = Some(CONNECT_LIMIT);
    // Retries would hide a dead server for a long time, and repeat creates.
    config.default_retry = false;
    if let Ok(agent) = user_agent(environment.program).parse() {
        config.headers.push((http::header::USER_AGENT, agent));
    }
    let endpoint = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let client = kube::Client::try_from(config).map_err(|error| explain::unusable(&endpoint, &error))?;
    Ok(Cluster { client, namespace: settings.namespace.clone(), endpoint, program: environment.program })
}

/// Program, version, machine and commit, as Velero's client says it.
fn user_agent(program: &str) -> String {
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    let commit = COMMIT.map_or_else(String::new, |commit| format!(" {commit}"));
    format!("{program}/{VERSION} ({os}/{architecture}){commit}")
}

/// The configuration of the client, for the command line and for the server.
pub(crate) async fn find(environment: &Environment, settings: &Settings) -> anyhow::Result<kube::Config> {
    let options = KubeConfigOptions { context: settings.kubecontext.clone(), ..KubeConfigOptions::default() };
    let loaded = match &settings.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    match loaded {
        Ok(kubeconfig) => {
            let contexts: Vec<String> =
                kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            config.map_err(|error| unusable_context(&error, settings, &contexts))
        }
        Err(_) if environment.in_pod && settings.kubeconfig.is_none() => {
            kube::Config::incluster().map_err(|error| Failure::new(causes(&error)).into())
        }
        Err(error) => Err(no_kubeconfig(&error, environment, settings)),
    }
}

fn unusable_context(error: &KubeconfigError, settings: &Settings, contexts: &[String]) -> anyhow::Error {
    let Some(wanted) = &settings.kubecontext else {
        return Failure::new(causes(error))
            .hint("`kubectl config get-contexts` lists the contexts; choose one with --kubecontext NAME")
            .into();
    };
    let known = contexts.join(", ");
    let failure = Failure::new(format!("the kubeconfig has no usable context {wanted:?}: {}", causes(error)));
    match nearest(wanted, contexts.iter().map(String::as_str)) {
        Some(name) if name != wanted => failure.hint(format!("did you mean --kubecontext {name}?")),
        _ => failure.hint(format!("its contexts are: {known}")),
    }
    .into()
}

fn no_kubeconfig(error: &KubeconfigError, environment: &Environment, settings: &Settings) -> anyhow::Error {
    const HINT: &str = "name the cluster with --kubeconfig FILE or the variable KUBECONFIG";
    let reason = match error {
        KubeconfigError::ReadConfig(error, path) => format!("{}: {error}", path.display()),
        error => causes(error),
    };
    if let Some(path) = &settings.kubeconfig {
        return Failure::new(format!("the file given by --kubeconfig can't be used: {reason}"))
            .hint(format!("check that {} exists and is a kubeconfig", path.display()))
            .into();
    }
    let variable =
        environment.kubeconfig.as_deref().map_or("not set".to_owned(), |value| format!("{value:?}"));
    let text = format!(
        "no Kubernetes cluster is configured (tried: --kubeconfig, not given; KUBECONFIG, {variable}; \
         ~/.kube/config; service account of a pod, not in a pod): {reason}"
    );
    Failure::new(text).hint(HINT).into()
}

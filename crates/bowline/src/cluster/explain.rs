//! What an error of the API server means, what was tried, and what helps.

use kube::core::Status;

use super::Cluster;
use crate::failure::{Failure, causes};

/// One request, for messages.
pub(crate) struct Attempt<'a> {
    pub(crate) cluster: &'a Cluster,
    /// What was tried, such as `list`.
    pub(crate) verb: &'static str,
    /// With what, such as `backups.velero.io`.
    pub(crate) resource: String,
}

/// Whether the object, or its whole kind, is not there.
pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the API server does not know the kind: a 404 that names no object.
pub(super) fn is_missing_kind(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.code == 404 && status.details.as_ref().is_none_or(|details| details.name.is_empty())
}

impl Attempt<'_> {
    /// Puts an error into words, with a hint.
    pub(crate) fn explain(&self, error: kube::Error) -> anyhow::Error {
        let Attempt { cluster, verb, resource } = self;
        if is_missing_kind(&error) {
            return self.missing_kind();
        }
        match error {
            kube::Error::Api(status) => self.refused(&status),
            kube::Error::SerdeError(error) => {
                Failure::new(format!("failed to {verb} {resource}: the answer can't be understood: {error}"))
                    .into()
            }
            error => unusable(&cluster.endpoint, &error),
        }
    }

    fn missing_kind(&self) -> anyhow::Error {
        let Cluster { endpoint, program, .. } = self.cluster;
        Failure::new(format!("the cluster {endpoint} does not know {}", self.resource))
            .hint(format!(
                "install the custom resources: `{program} install --crds-only`; `{program} install --help` for a server too"
            ))
            .hint(format!(
                "or work without a server: `{program} backup create NAME --to ./backups`"
            ))
            .into()
    }

    fn refused(&self, status: &Status) -> anyhow::Error {
        let Attempt { cluster, verb, resource } = self;
        let namespace = &cluster.namespace;
        match status.code {
            401 => Failure::new(format!(
                "the API server {} does not accept your credentials: {}",
                cluster.endpoint, status.message
            ))
            .hint("the token or certificate in the kubeconfig may have expired; log in again")
            .into(),
            403 => Failure::new(format!("you have no permission to {verb} {resource}: {}", status.message))
                .hint(format!("see what you may do: `kubectl auth can-i --list -n {namespace}`"))
                .into(),
            409 if status.reason == "AlreadyExists" => {
                Failure::new(&*status.message).hint(self.taken()).into()
            }
            _ => Failure::new(&*status.message).into(),
        }
    }

    fn taken(&self) -> String {
        let noun = match self.resource.split('.').next().unwrap_or_default() {
            "backupstoragelocations" => "backup-location",
            "volumesnapshotlocations" => "snapshot-location",
            plural => plural.trim_end_matches('s'),
        };
        format!("choose another name, or look at the existing one: `{} {noun} get`", self.cluster.program)
    }
}

/// An API server that can't be talked to.
pub(super) fn unusable(endpoint: &str, error: &kube::Error) -> anyhow::Error {
    let cause = match error {
        kube::Error::Service(error) => causes(error.as_ref()),
        kube::Error::HyperError(error) => causes(error),
        kube::Error::Auth(error) => return unauthenticated(&causes(error)),
        error => causes(error),
    };
    let hint = if cause.contains("certificate") || cause.contains("UnknownIssuer") {
        "the cluster's certificate is not trusted: check certificate-authority in the kubeconfig"
    } else {
        "check that the cluster runs and that the kubeconfig names the right one: `kubectl cluster-info`"
    };
    // What the client is called in its own words says nothing.
    let cause = cause.strip_prefix("ServiceError: ").unwrap_or(&cause);
    Failure::offline(format!("the API server {endpoint} can't be reached: {cause}")).hint(hint).into()
}

fn unauthenticated(cause: &str) -> anyhow::Error {
    Failure::new(format!("the kubeconfig's credentials can't be used: {cause}"))
        .hint("check the user in the kubeconfig; its program or token file may be missing")
        .into()
}

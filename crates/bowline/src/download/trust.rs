//! Whose certificates a download trusts besides those of the system.

use std::path::PathBuf;

use bowline_api::BackupStorageLocation;
use k8s_openapi::api::core::v1::Secret;
use reqwest::Certificate;

use crate::cli::flag::given;
use crate::cluster::Cluster;
use crate::failure::{Failure, causes};
use crate::session::Session;

/// Flags on the certificates of the object store.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Trust {
    /// Do not check the certificate of the object store
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// File with certificates (PEM) to trust (default: the location's, then that of `client config`)
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

impl Trust {
    /// Whether certificates are not checked at all.
    pub(super) fn skips_verification(&self) -> bool {
        self.insecure_skip_tls_verify
    }

    /// The first of: the flag's file, the location's Secret, the location's own text, the configured file.
    pub(super) async fn certificates(
        &self,
        session: &Session,
        cluster: &Cluster,
        location: Option<&BackupStorageLocation>,
    ) -> anyhow::Result<Vec<Certificate>> {
        if let Some(path) = given(self.cacert.as_ref()) {
            return parse(&path.display().to_string(), &fs_err::read(path)?);
        }
        let storage = location.map(|location| &location.spec.object_storage);
        if let Some(reference) = storage.and_then(|storage| storage.ca_cert_ref.as_ref()) {
            let secrets: kube::Api<Secret> =
                kube::Api::namespaced(cluster.client.clone(), &cluster.namespace);
            // Users often may not read Secrets; the next ways may do.
            if let Ok(secret) = secrets.get(&reference.name).await
                && let Some(pem) = secret.data.unwrap_or_default().remove(&reference.key)
            {
                return parse(&format!("secret {}", reference.name), &pem.0);
            }
        }
        if let Some(pem) = storage.and_then(|storage| storage.ca_cert.as_ref()) {
            return parse("caCert of the location", &pem.0);
        }
        match &session.settings.cacert {
            Some(path) => parse(&path.display().to_string(), &fs_err::read(path)?),
            None => Ok(Vec::new()),
        }
    }
}

fn parse(place: &str, pem: &[u8]) -> anyhow::Result<Vec<Certificate>> {
    let certificates = Certificate::from_pem_bundle(pem).map_err(|error| {
        Failure::new(format!("{place} holds no certificates in PEM form: {}", causes(&error)))
    })?;
    if certificates.is_empty() {
        return Err(Failure::new(format!("{place} holds no certificates in PEM form")).into());
    }
    Ok(certificates)
}

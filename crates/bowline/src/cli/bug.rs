//! `bug`: what a report of a bug should say, with what is known already filled in.

use std::time::Duration;

use bowline_server::VERSION;

use crate::session::Session;

/// How long the cluster may take to tell its version.
const LIMIT: Duration = Duration::from_secs(5);

/// Print a form for the report of a bug, with the versions filled in
#[derive(clap::Args)]
#[command(after_help = "{program} bug > report.md")]
pub(crate) struct Bug {}

impl Bug {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let cluster = tokio::time::timeout(LIMIT, kubernetes(session)).await;
        let kubernetes = cluster.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {LIMIT:?}")));
        let kubernetes = kubernetes.unwrap_or_else(|error| {
            session.screen.note(format!("The version of Kubernetes is not known: {error}"));
            String::new()
        });
        Ok(session.screen.print(form(
            session.program(),
            &session.settings.features.join(","),
            &kubernetes,
        ))?)
    }
}

async fn kubernetes(session: &Session) -> anyhow::Result<String> {
    let version = session.cluster().await?.client.apiserver_version().await?;
    Ok(format!("{} ({})", version.git_version, version.platform))
}

fn form(program: &str, features: &str, kubernetes: &str) -> String {
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "\
**What did you do, and what happened?**
<!-- The commands, and what they printed. -->

**What did you expect?**

**What helps to find it**
<!-- Attach the bundle of `{program} debug --backup NAME --restore NAME`. It holds no content of Secrets; look through it all the same. -->

**Anything else?**

**Environment**
- Version (`{program} version`): {VERSION}
- Features (`{program} client config get features`): {features}
- Kubernetes (`kubectl version`): {kubernetes}
- How Kubernetes was installed:
- Cloud or hardware:
- Operating system of the client: {os}/{architecture}
"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_form_names_the_versions() {
        let form = super::form("velero", "EnableCSI", "v1.34.2 (linux/amd64)");
        assert!(form.contains("`velero debug --backup NAME") && form.contains("v1.34.2"), "{form}");
        assert!(form.contains(super::VERSION) && form.contains("EnableCSI"), "{form}");
    }
}

//! `version`.

use std::time::Duration as StdDuration;

use bowline_api::Duration;
use bowline_server::VERSION;

use crate::cluster::connect::COMMIT;
use crate::failure::{explain, is_offline};
use crate::session::Session;
use crate::wait::server_status;

/// Print the versions of client and server
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Version {
    /// Do not ask the server
    #[arg(long)]
    client_only: bool,
    /// How long the server may take to answer, such as 10s
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    timeout: Duration,
}

const EXAMPLES: &str = "
{program} version
{program} version --client-only";

impl Version {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let commit = COMMIT.unwrap_or("-");
        session.screen.line(format!("Client:\n\tVersion: {VERSION}\n\tGit commit: {commit}"))?;
        if self.client_only {
            return Ok(());
        }
        let cluster = session.cluster().await?;
        let limit = self.timeout.to_std().unwrap_or(StdDuration::ZERO);
        let server = match server_status(&cluster, limit).await {
            Ok(Some(answer)) => answer.object.status.server_version,
            // Scripts ask for the version also where no server runs, and must not fail then.
            Ok(None) => {
                return Ok(session
                    .screen
                    .line("<error getting server version: context deadline exceeded>")?);
            }
            Err(error) if is_offline(&error) => return Err(error),
            Err(error) => {
                return Ok(session
                    .screen
                    .line(format!("<error getting server version: {}>", explain(&error).text))?);
            }
        };
        session.screen.line(format!("Server:\n\tVersion: {server}"))?;
        if server != VERSION {
            session.screen.line(format!(
                "# WARNING: the client is {VERSION}, the server {server}; use the same version of both"
            ))?;
        }
        Ok(())
    }
}

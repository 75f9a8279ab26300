//! `debug`: all that is needed to find out what went wrong, in one archive with the layout of Velero's.

use std::path::PathBuf;

use bowline_api::{Backup, Restore};
use jiff::Zoned;

use crate::cli::flag::given;
use crate::debug::{Wanted, write};
use crate::session::Session;

/// Collect objects and logs of the server for a report of a bug
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Debug {
    /// File to write (default bundle-YYYY-MM-DD-hh-mm-ss.tar.gz in the current folder)
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also collect the description and the log of this backup
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    /// Also collect the description and the log of this restore
    #[arg(long, value_name = "NAME")]
    restore: Option<String>,
    /// Say what is being collected
    #[arg(long)]
    verbose: bool,
}

const EXAMPLES: &str = "
{program} debug
{program} debug --backup web --restore web-20261121064615 --output problem.tar.gz";

impl Debug {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let cluster = session.cluster().await?;
        cluster.check_namespace().await?;
        // A mistyped name is told before anything is collected.
        if let Some(name) = &self.backup {
            cluster.get::<Backup>(name).await?;
        }
        if let Some(name) = &self.restore {
            cluster.get::<Restore>(name).await?;
        }
        let now = Zoned::now();
        let default = || PathBuf::from(format!("./bundle-{}.tar.gz", now.strftime("%Y-%m-%d-%H-%M-%S")));
        let path = given(self.output.as_ref()).cloned().unwrap_or_else(default);
        let wanted = Wanted { backup: self.backup, restore: self.restore, verbose: self.verbose };
        let missing = write(session, &cluster, &path, &wanted, &now).await?;
        for line in missing {
            session.screen.note(format!("warning: not collected: {line}"));
        }
        Ok(session.screen.line(format!("Generated debug information bundle: {}", path.display()))?)
    }
}

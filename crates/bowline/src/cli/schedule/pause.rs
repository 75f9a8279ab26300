//! `schedule pause` and `schedule unpause`.

use bowline_api::Schedule;
use serde_json::json;

use crate::cluster::Fetched;
use crate::failure::Failure;
use crate::session::Session;

/// Pause schedules
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Pause {
    #[command(flatten)]
    target: Target,
}

/// Let paused schedules go on
#[derive(clap::Args)]
#[command(after_help = "{program} schedule unpause daily --skip-immediately=true")]
pub(crate) struct Unpause {
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "
{program} schedule pause daily
{program} schedule pause --all";

#[derive(clap::Args)]
struct Target {
    /// Names of the schedules
    #[arg(value_name = "NAME", conflicts_with_all = ["all", "selector"])]
    names: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "selector")]
    all: bool,
    /// Those with these labels: app=web, tier in (a,b), !debug
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Leave out the run that would be due at once: true or false (default: the server's)
    #[arg(long, value_name = "BOOL")]
    skip_immediately: Option<bool>,
}

impl Pause {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.target.set(session, true).await
    }
}

impl Unpause {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.target.set(session, false).await
    }
}

impl Target {
    async fn set(self, session: &Session, paused: bool) -> anyhow::Result<()> {
        if self.names.is_empty() && !self.all && self.selector.is_none() {
            return Err(Failure::new("which schedule?")
                .hint("give names, a label selector by -l, or --all")
                .into());
        }
        let cluster = session.cluster().await?;
        let names = if self.names.is_empty() {
            let found = cluster.list::<Schedule>(self.selector.as_deref().unwrap_or_default()).await?;
            found.iter().map(Fetched::name).map(str::to_owned).collect()
        } else {
            self.names
        };
        let word = if paused { "paused" } else { "unpaused" };
        if names.is_empty() {
            session.screen.line("No schedules found")?;
        }
        for name in names {
            let schedule = cluster.get::<Schedule>(&name).await?.object;
            if schedule.spec.paused == paused {
                session.screen.line(format!("Schedule {name} is already {word}, skip"))?;
                continue;
            }
            let patch = json!({ "spec": { "paused": paused, "skipImmediately": self.skip_immediately } });
            cluster.merge::<Schedule>(&name, &patch).await?;
            session.screen.line(format!("Schedule {name} {word} successfully"))?;
        }
        Ok(())
    }
}

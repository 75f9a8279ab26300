//! `client config`: settings of this program in the user's home directory.

use clap::Subcommand;

use crate::config::ClientFile;
use crate::failure::Failure;
use crate::nearest::did_you_mean;
use crate::session::Session;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Get and set the settings of this program
    #[command(subcommand)]
    Config(Config),
}

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Get settings
    Get(Get),
    /// Change settings; an empty value removes one
    Set(Set),
}

/// Get settings
#[derive(clap::Args)]
#[command(after_help = "{program} client config get namespace")]
pub(crate) struct Get {
    /// Names of the settings; none means all
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
}

/// Change settings; an empty value removes one
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Set {
    /// Settings: namespace, features, cacert, colorized
    #[arg(value_name = "KEY=VALUE", required = true)]
    settings: Vec<String>,
}

const EXAMPLES: &str = "
{program} client config set namespace=backups
{program} client config set colorized=false cacert=/etc/ssl/bucket.pem
{program} client config set namespace=";

impl Command {
    pub(crate) fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::Config(Config::Get(command)) => command.run(session),
            Self::Config(Config::Set(command)) => command.run(session),
        }
    }
}

impl Get {
    fn run(self, session: &Session) -> anyhow::Result<()> {
        let file = ClientFile::read(&session.environment)?;
        if self.keys.is_empty() {
            for (key, value) in file.iter() {
                session.screen.line(format!("{key}: {value}"))?;
            }
        }
        for key in self.keys {
            let value = file.get(&key).unwrap_or_else(|| "<NOT SET>".to_owned());
            session.screen.line(format!("{key}: {value}"))?;
        }
        Ok(())
    }
}

impl Set {
    fn run(self, session: &Session) -> anyhow::Result<()> {
        let mut file = ClientFile::read(&session.environment)?;
        for setting in &self.settings {
            let Some((key, value)) = setting.split_once('=') else {
                return Err(Failure::new(format!("{setting:?} is not of the form KEY=VALUE"))
                    .hint("example: namespace=backups")
                    .into());
            };
            if !ClientFile::KEYS.contains(&key) {
                return Err(Failure::new(format!("there is no setting {key:?}"))
                    .maybe_hint(did_you_mean(key, ClientFile::KEYS))
                    .hint(format!("the settings are: {}", ClientFile::KEYS.join(", ")))
                    .into());
            }
            file.set(key, value);
        }
        file.write(&session.environment)
    }
}

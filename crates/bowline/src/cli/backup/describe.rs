//! `backup describe`.

use bowline_api::Backup;

use crate::cli::get::{Selection, select};
use crate::cli::place::FromPlace;
use crate::download::{self, Trust};
use crate::local::{self, Place};
use crate::output::describe::Form;
use crate::output::describe::backup::{self, Companions};
use crate::session::Session;

/// Describe backups
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Describe {
    /// Names of the backups; none means all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Also list every object and every volume
    #[arg(long)]
    details: bool,
    /// Form of the output: plaintext, json or yaml; the last two are for one backup
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = Form::Plaintext)]
    output: Form,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    from: FromPlace,
}

const EXAMPLES: &str = "
{program} backup describe web
{program} backup describe web --details
{program} backup describe web -o json
{program} backup describe web --from ./backups";

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.output.check("backup", self.names.len())?;
        match self.from.place(session) {
            Some(place) => self.in_place(session, place).await,
            None => self.in_cluster(session).await,
        }
    }

    async fn in_cluster(&self, session: &Session) -> anyhow::Result<()> {
        let cluster = session.cluster().await?;
        let found = select::<Backup>(&cluster, &self.names, &self.selection.selector).await?;
        self.output.check("backup", found.len())?;
        for (at, backup) in found.iter().map(|found| &found.object).enumerate() {
            let source =
                download::Source::new(session, &cluster, &self.trust, &backup.spec.storage_location).await?;
            let companions = Companions::fetch(&cluster, &source, backup, self.details).await?;
            self.print(session, at, backup, &companions)?;
        }
        Ok(())
    }

    async fn in_place(&self, session: &Session, place: Place) -> anyhow::Result<()> {
        let store = local::open(place).await?;
        let found = store.backups(&session.screen, &self.names).await?;
        self.output.check("backup", found.len())?;
        for (at, found) in found.iter().enumerate() {
            self.print(session, at, &found.object, &store.companions(found.name()).await)?;
        }
        Ok(())
    }

    /// Prints one description before the next is made: the files of all backups may not fit into memory.
    fn print(
        &self,
        session: &Session,
        at: usize,
        backup: &Backup,
        companions: &Companions,
    ) -> anyhow::Result<()> {
        if at > 0 {
            session.screen.print("\n\n")?;
        }
        let text = self.output.render(
            || backup::tree(backup, companions, self.details),
            || backup::text(session, backup, companions, self.details),
        )?;
        Ok(session.screen.print(text)?)
    }
}

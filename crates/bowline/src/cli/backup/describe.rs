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
        self.output.check("backup", &self.names)?;
        let described = match self.from.place(session) {
            Some(place) => self.in_place(session, place).await?,
            None => self.in_cluster(session).await?,
        };
        let count = described.len();
        for (at, (backup, companions)) in described.into_iter().enumerate() {
            let text = self.output.render(
                || backup::tree(&backup, &companions, self.details),
                || backup::text(session, &backup, &companions, self.details),
            )?;
            session.screen.print(text)?;
            if at + 1 < count {
                session.screen.print("\n\n")?;
            }
        }
        Ok(())
    }

    async fn in_cluster(&self, session: &Session) -> anyhow::Result<Vec<(Backup, Companions)>> {
        let cluster = session.cluster().await?;
        let mut described = Vec::new();
        for found in select::<Backup>(&cluster, &self.names, &self.selection.selector).await? {
            let backup = found.object;
            let source =
                download::Source::new(session, &cluster, &self.trust, &backup.spec.storage_location).await?;
            let companions = Companions::fetch(&cluster, &source, &backup, self.details).await?;
            described.push((backup, companions));
        }
        Ok(described)
    }

    async fn in_place(&self, session: &Session, place: Place) -> anyhow::Result<Vec<(Backup, Companions)>> {
        let store = local::open(place).await?;
        let mut described = Vec::new();
        for found in store.backups(&session.screen, &self.names).await? {
            let companions = store.companions(found.name()).await;
            described.push((found.object, companions));
        }
        Ok(described)
    }
}

//! `restore describe`.

use bowline_api::{Backup, Restore};

use crate::cli::get::{Selection, select};
use crate::cli::place::FromPlace;
use crate::download::{self, Trust};
use crate::failure::Failure;
use crate::local::{self, LocalStore};
use crate::output::describe::Form;
use crate::output::describe::restore::{self, Companions};
use crate::session::Session;

/// Describe restores
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Describe {
    /// Names of the restores; none means all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Also list every object with what was done to it
    #[arg(long)]
    details: bool,
    /// Form of the output: plaintext, json or yaml; the last two are for one restore
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = Form::Plaintext)]
    output: Form,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    from: FromPlace,
}

const EXAMPLES: &str = "
{program} restore describe web-20261121064615
{program} restore describe web-20261121064615 --details
{program} restore describe web-20261121064615 -o json
{program} restore describe web-20261121064615 --from ./backups";

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.output.check("restore", self.names.len())?;
        if let Some(place) = self.from.place(session) {
            return self.in_place(session, &local::open(place).await?).await;
        }
        let cluster = session.cluster().await?;
        let restores = select::<Restore>(&cluster, &self.names, &self.selection.selector).await?;
        self.output.check("restore", restores.len())?;
        for (at, found) in restores.iter().enumerate() {
            let restore = &found.object;
            let backup = cluster.find::<Backup>(&restore.spec.backup_name).await?;
            let location = backup.map(|backup| backup.object.spec.storage_location).unwrap_or_default();
            let source = download::Source::new(session, &cluster, &self.trust, &location).await?;
            let companions = Companions::fetch(&source, restore, self.details).await;
            if at > 0 {
                session.screen.print("\n\n")?;
            }
            session.screen.print(self.output.render(
                || restore::tree(restore, &companions, self.details),
                || restore::text(session, restore, &companions, self.details),
            )?)?;
        }
        Ok(())
    }

    /// Describes restores by the files that they left in a place: it has no objects of them.
    async fn in_place(&self, session: &Session, store: &LocalStore) -> anyhow::Result<()> {
        if self.names.is_empty() {
            return Err(Failure::new("which restore is to be described?").hint("give names").into());
        }
        for name in &self.names {
            let companions = store.restore_companions(name).await?;
            session.screen.print(self.output.render(
                || restore::tree_of_files(name, &companions, self.details),
                || restore::files(&session.screen, name, &companions, self.details),
            )?)?;
        }
        Ok(())
    }
}

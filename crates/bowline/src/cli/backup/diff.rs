//! `backup diff`: what was added, removed and changed since a backup.

use bowline_engine::diff::{DiffOptions, ObjectFilter};
use bowline_server::operation::Against;

use crate::cli::get::Form;
use crate::failure::Failure;
use crate::local;
use crate::output::diff;
use crate::output::encode::{Encoding, encode};
use crate::output::progress::Progress;
use crate::session::Session;
use crate::stored::Fetch;

/// Value of `--against` that means the cluster.
const LIVE: &str = "live";

/// Show what differs between a backup and the cluster, or another backup
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffCommand {
    /// Name of the backup
    #[arg(value_name = "NAME")]
    name: String,
    /// What to compare with: live, which is the cluster as it is now, or the name of another backup
    #[arg(long, value_name = "live | BACKUP", default_value = LIVE)]
    against: String,
    /// Show the changed fields of one object: KIND/NAMESPACE/NAME, or KIND/NAME outside of namespaces
    #[arg(long, value_name = "OBJECT")]
    object: Option<String>,
    /// Also compare the status of objects
    #[arg(long)]
    status: bool,
    /// Form of the output: table, json, yaml or name
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    fetch: Fetch,
}

const EXAMPLES: &str = "
# What has changed in the cluster since
{program} backup diff web
# Which fields of one object
{program} backup diff web --object deployment/shop/frontend
# Between two backups in a folder
{program} backup diff monday --against tuesday --from ./backups -o json";

impl DiffCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let only = self.object.as_deref().map(filter).transpose()?;
        let for_people = matches!(self.output, Form::Table | Form::Wide);
        let options = DiffOptions {
            status: self.status,
            fields: only.is_some() || !for_people,
            only: only.unwrap_or_default(),
        };
        let source = self.fetch.backup(session, &self.name).await?;
        let against = match self.against.as_str() {
            LIVE => Against::Live,
            other => Against::Backup(Box::new(self.fetch.backup(session, other).await?)),
        };
        let progress = if for_people { Progress::new(&session.screen) } else { Progress::Silent };
        let report = Box::pin(local::diff(session, source, against, options, progress)).await?;
        if let Some(object) = self.object.filter(|_| report.diff.counts.is_empty()) {
            return Err(Failure::new(format!("neither side holds {object:?}"))
                .hint(format!(
                    "see what the backup holds: `{} backup browse {}`",
                    session.program(),
                    self.name
                ))
                .into());
        }
        let text = match self.output {
            Form::Table | Form::Wide => diff::tables(&report),
            Form::Json => encode(&diff::object(&report)?, Encoding::Json)?,
            Form::Yaml => encode(&diff::object(&report)?, Encoding::Yaml)?,
            Form::Name => diff::names(&report),
        };
        Ok(session.screen.print(text)?)
    }
}

/// `deployment/shop/frontend`, or `clusterrole/admin`.
fn filter(object: &str) -> anyhow::Result<ObjectFilter> {
    let words: Vec<&str> = object.split('/').collect();
    let one = |word: &str| vec![word.to_owned()];
    match words[..] {
        [kind, name] => {
            Ok(ObjectFilter { resources: one(kind), names: one(name), ..ObjectFilter::default() })
        }
        [kind, namespace, name] => {
            Ok(ObjectFilter { resources: one(kind), namespaces: one(namespace), names: one(name) })
        }
        _ => Err(Failure::new(format!("{object:?} names no object"))
            .hint("KIND/NAMESPACE/NAME, such as deployment/shop/frontend; KIND/NAME outside of namespaces")
            .into()),
    }
}

//! `plugin get`: the plugins that the server knows.

use std::time::Duration as StdDuration;

use bowline_api::Duration;
use bowline_api::request::PluginInfo;

use crate::cli::get::{Form, lines};
use crate::failure::Failure;
use crate::output::encode::{Encoding, encode};
use crate::output::tabs;
use crate::session::Session;
use crate::wait::server_status;

/// Get plugins of the server
#[derive(clap::Args)]
#[command(after_help = "{program} plugin get")]
pub(crate) struct Get {
    /// How long the server may take to answer, such as 10s
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    timeout: Duration,
    /// Form of the output: table, wide, json, yaml or name
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t = Form::Table)]
    output: Form,
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let cluster = session.cluster().await?;
        let limit = self.timeout.to_std().unwrap_or(StdDuration::ZERO);
        let Some(answer) = server_status(&cluster, limit).await? else {
            return Err(Failure::new(format!("no server answered within {}", self.timeout))
                .hint(format!("check that one runs: `kubectl -n {} get pods`", session.namespace()))
                .into());
        };
        let mut plugins = answer.object.status.plugins.clone();
        plugins.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        let text = match self.output {
            Form::Table | Form::Wide => table(&plugins),
            Form::Name => lines(plugins.iter().map(|plugin| format!("{}/{}", plugin.kind, plugin.name))),
            Form::Json => encode(&answer.tree()?, Encoding::Json)?,
            Form::Yaml => encode(&answer.tree()?, Encoding::Yaml)?,
        };
        Ok(session.screen.print(text)?)
    }
}

fn table(plugins: &[PluginInfo]) -> String {
    let rows = plugins.iter().map(|plugin| format!("{}\t{}\n", plugin.name, plugin.kind));
    tabs::expand(&std::iter::once("NAME\tKIND\n".to_owned()).chain(rows).collect::<String>(), tabs::TABLE)
}

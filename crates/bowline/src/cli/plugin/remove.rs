//! `plugin remove`: an init container less.

use serde_json::json;

use super::server::Server;
use crate::failure::Failure;
use crate::nearest::did_you_mean;
use crate::session::Session;

/// Remove a plugin from the server
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Remove {
    /// Name of the plugin's init container, or its image
    #[arg(value_name = "NAME | IMAGE")]
    plugin: String,
}

const EXAMPLES: &str = "
{program} plugin remove velero-velero-plugin-for-gcp
{program} plugin remove velero/velero-plugin-for-gcp:v1.13.0";

impl Remove {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let cluster = session.cluster().await?;
        let server = Server::get(&cluster).await?;
        let plugins = server.init_containers();
        let is_meant = |name: &str, image: Option<&str>| name == self.plugin || image == Some(&*self.plugin);
        let found = plugins.iter().position(|plugin| is_meant(&plugin.name, plugin.image.as_deref()));
        let Some(at) = found else {
            let known = || plugins.iter().map(|plugin| plugin.name.as_str());
            let text = format!("init container {:?} not found in the server's deployment", self.plugin);
            let list = known().collect::<Vec<_>>().join(", ");
            let all =
                if list.is_empty() { "it has no plugins".to_owned() } else { format!("it has: {list}") };
            return Err(Failure::new(text).hint(did_you_mean(&self.plugin, known()).unwrap_or(all)).into());
        };
        let path = format!("/spec/template/spec/initContainers/{at}");
        let operations = json!([
            { "op": "test", "path": format!("{path}/name"), "value": plugins[at].name },
            { "op": "remove", "path": path },
        ]);
        server.patch(&cluster, operations).await?;
        Ok(session.screen.line(format!(
            "Plugin {:?} removed from the deployment {:?}; the server restarts.",
            plugins[at].name,
            server.name()
        ))?)
    }
}

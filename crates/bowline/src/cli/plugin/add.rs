//! `plugin add`: an init container more.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::container::{VOLUME, init_container};
use super::server::Server;
use crate::failure::Failure;
use crate::output::screen::Answer;
use crate::session::Session;

/// Where the server looks for plugins.
const FOLDER: &str = "/plugins";

/// Add a plugin to the server
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Add {
    /// Image of the plugin
    #[arg(value_name = "IMAGE")]
    image: String,
    /// When to pull the image: Always, `IfNotPresent` or Never
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = PullPolicy::IfNotPresent)]
    image_pull_policy: PullPolicy,
    /// Do it without asking
    #[arg(long)]
    confirm: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PullPolicy {
    #[value(name = "Always")]
    Always,
    #[value(name = "IfNotPresent")]
    IfNotPresent,
    #[value(name = "Never")]
    Never,
}

const EXAMPLES: &str = "
# The server restarts with it. Bowline's own runs no plugins yet; aws (any S3) and filesystem need none
{program} plugin add velero/velero-plugin-for-gcp:v1.13.0 --confirm";

impl Add {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let about = "The server restarts with the plugin, and what it is doing is interrupted.";
        match if self.confirm { Answer::Yes } else { session.screen.confirm(about)? } {
            Answer::Yes => {}
            Answer::No => return Ok(()),
            Answer::Nobody => {
                return Err(Failure::new(
                    "nobody is here to confirm that the server restarts with the plugin",
                )
                .hint("add --confirm to add it without being asked")
                .into());
            }
        }
        let cluster = session.cluster().await?;
        let server = Server::get(&cluster).await?;
        let policy = self.image_pull_policy.to_possible_value();
        let policy = policy.as_ref().map_or("IfNotPresent", |value| value.get_name());
        let plugin = init_container(&self.image, policy);
        let name = plugin["name"].as_str().unwrap_or_default().to_owned();
        server.patch(&cluster, additions(&server, plugin)).await?;
        Ok(session.screen.line(format!(
            "Plugin {name:?} added to the deployment {:?}; the server restarts. `{} plugin get` lists what it loads.",
            server.name(),
            session.program()
        ))?)
    }
}

/// The plugin, and the folder for plugins where the server has none.
fn additions(server: &Server, plugin: Value) -> Value {
    const POD: &str = "/spec/template/spec";
    let append = |list: &str, is_empty: bool, value: Value| {
        if is_empty {
            json!({ "op": "add", "path": format!("{POD}/{list}"), "value": [value] })
        } else {
            json!({ "op": "add", "path": format!("{POD}/{list}/-"), "value": value })
        }
    };
    let mut operations = vec![append("initContainers", server.init_containers().is_empty(), plugin)];
    let Some(pod) = server.pod() else { return Value::Array(operations) };
    let volumes = pod.volumes.as_deref().unwrap_or_default();
    if !volumes.iter().any(|volume| volume.name == VOLUME) {
        operations.push(append("volumes", volumes.is_empty(), json!({ "name": VOLUME, "emptyDir": {} })));
        for (at, container) in pod.containers.iter().enumerate() {
            if server.container().is_some_and(|server| server.name == container.name) {
                let none = container.volume_mounts.as_ref().is_none_or(Vec::is_empty);
                let mount = json!({ "name": VOLUME, "mountPath": FOLDER });
                operations.push(append(&format!("containers/{at}/volumeMounts"), none, mount));
            }
        }
    }
    Value::Array(operations)
}

//! `install`: for now the custom resources only.

use bowline_api::crd::crds;
use clap::ValueEnum;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::cluster::Attempt;
use crate::failure::Failure;
use crate::output::encode::{Encoding, encode, list};
use crate::session::Session;

/// Field manager of everything that is installed, the same as Velero's, so that either can upgrade the other.
const MANAGER: &str = "velero-cli";

/// Install the custom resources
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Install {
    /// Install the custom resource definitions and nothing else
    #[arg(long)]
    crds_only: bool,
    /// Print what would be installed, and install nothing
    #[arg(long)]
    dry_run: bool,
    /// Print what is installed as json or yaml
    #[arg(short, long, value_name = "FORM", value_enum)]
    output: Option<Form>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Json,
    Yaml,
}

const EXAMPLES: &str = "
{program} install --crds-only
{program} install --crds-only --dry-run -o yaml | kubectl apply -f -";

impl Install {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        if !self.crds_only {
            return Err(Failure::new("install can set up the custom resources only: add --crds-only")
                .hint(format!("then run the server outside of the cluster: `{} server`", session.program()))
                .into());
        }
        let definitions = definitions()?;
        if let Some(form) = self.output {
            let encoding = match form {
                Form::Json => Encoding::Json,
                Form::Yaml => Encoding::Yaml,
            };
            session.screen.print(encode(
                &list(&definitions.iter().map(|(_, object)| object.clone()).collect::<Vec<_>>()),
                encoding,
            )?)?;
        }
        if self.dry_run {
            return match self.output {
                Some(_) => Ok(()),
                None => Ok(definitions.iter().try_for_each(|(name, _)| {
                    session
                        .screen
                        .line(format!("CustomResourceDefinition/{name}: would be created or updated"))
                })?),
            };
        }
        apply(session, definitions).await
    }
}

/// The definitions by name, as the API server takes them.
fn definitions() -> anyhow::Result<Vec<(String, Value)>> {
    let definition = |crd: CustomResourceDefinition| {
        let mut object = serde_json::to_value(&crd)?;
        object["apiVersion"] = json!("apiextensions.k8s.io/v1");
        object["kind"] = json!("CustomResourceDefinition");
        Ok((crd.name_any(), object))
    };
    crds().into_iter().map(definition).collect()
}

async fn apply(session: &Session, definitions: Vec<(String, Value)>) -> anyhow::Result<()> {
    let cluster = session.cluster().await?;
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let params = PatchParams::apply(MANAGER).force();
    for (name, object) in definitions {
        let attempt =
            Attempt { cluster: &cluster, verb: "apply", resource: "customresourcedefinitions".to_owned() };
        api.patch(&name, &params, &Patch::Apply(&object)).await.map_err(|error| attempt.explain(error))?;
        session.screen.note(format!("CustomResourceDefinition/{name}: applied"));
    }
    Ok(())
}

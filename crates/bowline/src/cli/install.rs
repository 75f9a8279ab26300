//! `install`: the custom resources, the server, and where its backups go (behaviour §2.5).

mod adopt;
mod apply;
mod binding;
mod flags;
pub(in crate::cli) mod objects;
mod rbac;

use std::path::PathBuf;

use bowline_api::Duration;
use bowline_api::crd::crds;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use crate::cli::flag::{check_name, given, merged};
use crate::failure::Failure;
use crate::output::encode::{Encoding, encode, list};
use crate::session::Session;
use flags::{Form, Pending, PlaceFlags, PodFlags, ServerFlags};
use objects::{BackupLocation, Plan, SnapshotLocation, objects};

/// Providers that the server has.
pub(super) const PROVIDERS: [&str; 4] = ["aws", "velero.io/aws", "filesystem", "velero.io/filesystem"];

/// Install the server in the cluster, or only the custom resources
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
    /// Change what is installed already: this is always done
    #[arg(long)]
    apply: bool,
    /// Take over the server that runs here, with its locations, secrets, schedules and backups: only its image changes
    #[arg(long, conflicts_with_all = ["crds_only", "provider", "bucket", "secret_file", "no_secret", "output"])]
    adopt: bool,
    /// Wait until the server is available, and show how it goes
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    location: PlaceFlags,
    #[command(flatten)]
    pod: PodFlags,
    #[command(flatten)]
    server: ServerFlags,
    #[command(flatten)]
    pending: Pending,
}

const EXAMPLES: &str = "
# A server that keeps its backups in a bucket of Amazon S3. Its image is in no public registry: push it to yours
{program} install --provider aws --bucket my-backups --secret-file ./credentials \\
    --backup-location-config region=eu-central-1 --image registry.example/bowline:v0.1.0 --wait
# Change over from Velero, and back
{program} install --adopt --image registry.example/bowline:v0.1.0 --wait
{program} install --adopt --image velero/velero:v1.18.2 --wait
# Only look at it, or apply it by other means
{program} install --provider aws --bucket my-backups --no-secret --dry-run -o yaml | kubectl apply -f -
# The custom resources only; the server runs elsewhere, by `{program} server`
{program} install --crds-only";

impl Install {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let mut all = definitions()?;
        if self.adopt {
            let adoption = adopt::Adoption { image: &self.pod.image, wait: self.wait, dry_run: self.dry_run };
            return adopt::run(session, &adoption, &all).await;
        }
        if !self.crds_only {
            check_name("namespace", session.namespace())?;
            self.check(session)?;
            all.extend(objects(&self.plan(session)?)?);
        }
        if let Some(form) = self.output {
            let encoding = match form {
                Form::Json => Encoding::Json,
                Form::Yaml => Encoding::Yaml,
            };
            session.screen.print(encode(&list(&all), encoding)?)?;
        }
        if self.dry_run {
            if self.output.is_none() {
                for object in &all {
                    session.screen.line(format!("{}: would be created or changed", apply::name(object)))?;
                }
            }
            return Ok(());
        }
        let cluster = session.cluster().await?;
        for (flag, name) in self.server.config_maps() {
            apply::check_config_map(&cluster, flag, name).await?;
        }
        apply::all(session, &cluster, &all).await?;
        if self.crds_only {
            return Ok(());
        }
        if self.wait {
            apply::wait_for_server(session, &cluster, objects::NAME).await?;
        }
        let (program, namespace) = (session.program(), session.namespace());
        Ok(session.screen.line(format!(
            "The server is installed. `kubectl -n {namespace} logs deployment/velero` shows what it does, `{program} \
             backup-location get` whether it reaches its backups."
        ))?)
    }

    /// What contradicts itself or can't be done is refused before anything is changed.
    fn check(&self, session: &Session) -> anyhow::Result<()> {
        let (place, server) = (&self.location, &self.server);
        let needs_provider = !place.no_default_backup_location || place.wants_snapshots();
        let bucket_flags =
            !place.bucket.is_empty() || !place.prefix.is_empty() || !place.backup_location_config.is_empty();
        let agent = self.pending.use_node_agent || self.pending.use_node_agent_windows;
        let refused = [
            (
                needs_provider && place.provider.is_empty(),
                "--provider is missing: where are backups to go?",
                "--provider aws --bucket NAME; or --crds-only; or --no-default-backup-location --use-volume-snapshots=false",
            ),
            (
                !needs_provider && !place.provider.is_empty(),
                "--provider has no use with --no-default-backup-location and --use-volume-snapshots=false",
                "leave out one of them",
            ),
            (
                !place.no_default_backup_location && place.bucket.is_empty(),
                "--bucket is missing: where are backups to go?",
                "--bucket NAME, or --no-default-backup-location",
            ),
            (
                place.no_default_backup_location && bucket_flags,
                "--bucket, --prefix and --backup-location-config have no use with --no-default-backup-location",
                "leave out one of them",
            ),
            (
                !place.wants_snapshots() && !place.snapshot_location_config.is_empty(),
                "--snapshot-location-config has no use with --use-volume-snapshots=false",
                "leave out one of them",
            ),
            (
                given(place.secret_file.as_ref()).is_none() && !place.no_secret,
                "--secret-file or --no-secret is missing: how does the server prove who it is?",
                "--secret-file FILE with the credentials; --no-secret when the pod has an identity of its own",
            ),
            (
                agent && !self.dry_run,
                "--use-node-agent can't be done: there is no node agent yet, so that the data of volumes is not saved",
                "leave it out; claims and volumes are saved as objects",
            ),
        ];
        if let Some((_, text, hint)) = refused.into_iter().find(|(refused, ..)| *refused) {
            return Err(Failure::new(text).hint(hint).into());
        }
        server.check()?;
        self.pending.warnings().iter().for_each(|line| session.screen.note(line));
        if !self.pod.plugins.is_empty() {
            session.screen.note(
                "warning: the server runs no plugins yet; they become init containers, as with Velero. aws and filesystem \
                 need none",
            );
        }
        if !place.provider.is_empty() && !PROVIDERS.contains(&place.provider.as_str()) {
            session.screen.note(format!(
                "warning: the server has no provider {:?} yet, only aws (any S3) and filesystem",
                place.provider
            ));
        }
        Ok(())
    }

    fn plan(&self, session: &Session) -> anyhow::Result<Plan> {
        let (place, pod) = (&self.location, &self.pod);
        let read = |path: &Option<PathBuf>| given(path.as_ref()).map(fs_err::read).transpose();
        Ok(Plan {
            namespace: session.namespace().to_owned(),
            image: pod.image.clone(),
            arguments: self.server.arguments(&session.settings.features),
            service_account: pod.service_account_name.clone(),
            service_account_annotations: merged(pod.sa_annotations.clone()),
            pod_labels: merged(pod.pod_labels.clone()),
            pod_annotations: merged(pod.pod_annotations.clone()),
            resources: pod.resources(),
            priority_class: pod.server_priority_class_name.clone(),
            replicas: pod.replicas,
            plugins: pod.plugins.clone(),
            rbac: pod.rbac,
            secret: read(&place.secret_file)?,
            backup_location: if place.no_default_backup_location {
                None
            } else {
                Some(BackupLocation {
                    provider: place.provider.clone(),
                    bucket: place.bucket.clone(),
                    prefix: place.prefix.clone(),
                    config: merged(place.backup_location_config.clone()),
                    ca_cert: read(&place.cacert)?,
                })
            },
            snapshot_location: place.wants_snapshots().then(|| SnapshotLocation {
                provider: place.provider.clone(),
                config: merged(place.snapshot_location_config.clone()),
            }),
        })
    }
}

impl PlaceFlags {
    fn wants_snapshots(&self) -> bool {
        self.use_volume_snapshots.unwrap_or(true)
    }
}

impl PodFlags {
    fn resources(&self) -> Vec<(&'static str, &'static str, String)> {
        vec![
            ("requests", "cpu", self.velero_pod_cpu_request.clone()),
            ("requests", "memory", self.velero_pod_mem_request.clone()),
            ("limits", "cpu", self.velero_pod_cpu_limit.clone()),
            ("limits", "memory", self.velero_pod_mem_limit.clone()),
        ]
    }
}

impl ServerFlags {
    fn periods(&self) -> [(&'static str, &'static str, Duration); 3] {
        [
            (
                "--default-repo-maintain-frequency",
                "--default-repo-maintain-frequency",
                self.default_repo_maintain_frequency,
            ),
            (
                "--garbage-collection-frequency",
                "--garbage-collection-frequency",
                self.garbage_collection_frequency,
            ),
            ("--pod-volume-operation-timeout", "--fs-backup-timeout", self.pod_volume_operation_timeout),
        ]
    }

    fn check(&self) -> anyhow::Result<()> {
        match self.periods().into_iter().find(|(.., value)| value.is_negative()) {
            Some((flag, _, value)) => {
                Err(Failure::new(format!("{flag} must not be negative: {value}")).into())
            }
            None => Ok(()),
        }
    }

    fn config_maps(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [
            ("--backup-repository-configmap", self.backup_repository_configmap.as_str()),
            ("--repo-maintenance-job-configmap", self.repo_maintenance_job_configmap.as_str()),
        ];
        named.into_iter().filter(|(_, name)| !name.is_empty())
    }

    /// The arguments of the server: only what is not its default.
    fn arguments(&self, features: &[String]) -> Vec<String> {
        let switches = [
            ("--restore-only", self.restore_only),
            ("--default-volumes-to-fs-backup", self.default_volumes_to_fs_backup),
            ("--default-snapshot-move-data", self.default_snapshot_move_data),
            ("--schedule-skip-immediately", self.schedule_skip_immediately),
            ("--disable-informer-cache", self.disable_informer_cache),
        ];
        let numbers = [
            ("--item-block-worker-count", self.item_block_worker_count),
            ("--concurrent-backups", self.concurrent_backups),
        ];
        let features = (!features.is_empty()).then(|| format!("--features={}", features.join(",")));
        let switches = switches.into_iter().filter(|(_, on)| *on).map(|(flag, _)| format!("{flag}=true"));
        let periods = self.periods().into_iter().filter(|(.., value)| !value.is_zero());
        let periods = periods.map(|(_, flag, value)| format!("{flag}={value}"));
        let config_maps = self.config_maps().map(|(flag, name)| format!("{flag}={name}"));
        let numbers = numbers.into_iter().filter(|(_, number)| *number > 0);
        let numbers = numbers.map(|(flag, number)| format!("{flag}={number}"));
        features.into_iter().chain(switches).chain(periods).chain(config_maps).chain(numbers).collect()
    }
}

/// The definitions of the custom resources, as the API server takes them.
fn definitions() -> anyhow::Result<Vec<Value>> {
    let definition = |crd: CustomResourceDefinition| {
        let mut object = serde_json::to_value(&crd)?;
        object["apiVersion"] = json!("apiextensions.k8s.io/v1");
        object["kind"] = json!("CustomResourceDefinition");
        Ok(object)
    };
    crds().into_iter().map(definition).collect()
}

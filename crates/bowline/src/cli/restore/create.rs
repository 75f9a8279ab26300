//! `restore create`: through the server, or, with `--from`, straight from here.

use bowline_api::backup::BackupPhase;
use bowline_api::restore::{PolicyType, Restore, RestoreSpec, RestoreStatusSpec, UploaderConfigForRestore};
use bowline_api::{Backup, Duration, Schedule, label};
use bowline_engine::restore::{Plan, PlannedItem};
use clap::ValueEnum;
use jiff::Zoned;

use crate::cli::backup::NOTHING_TO_WAIT_FOR;
use crate::cli::backup::spec::configmap;
use crate::cli::flag::{
    KeyValues, Mappings, check_name, entries, included_namespaces, merged, merged_mappings, named,
};
use crate::cli::get::{Dry, Form};
use crate::cli::place::with_settings;
use crate::cluster::{Cluster, Fetched};
use crate::download::Trust;
use crate::failure::Failure;
use crate::local::{self, Place};
use crate::nearest::did_you_mean;
use crate::output::encode::{Encoding, encode};
use crate::output::plan;
use crate::output::progress::Progress;
use crate::selector::{OrSelectors, Selector};
use crate::session::Session;
use crate::stored;
use crate::wait::{self, Noun};

/// Create a restore
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// Name of the restore (default: name of the backup or schedule and the time)
    #[arg(value_name = "RESTORE_NAME")]
    name: Option<String>,
    /// Backup to restore from
    #[arg(long, value_name = "NAME")]
    from_backup: Option<String>,
    /// Schedule whose newest completed backup is restored
    #[arg(long, value_name = "NAME")]
    from_schedule: Option<String>,
    /// Read the backup from a folder or s3://BUCKET/PREFIX, from here and without a server
    #[arg(long, value_name = "PLACE", requires = "from_backup")]
    from: Option<Place>,
    /// Settings of the place given by --from, such as region=eu-1,s3Url=http://localhost:9000 (region: else AWS_REGION)
    #[arg(long, value_name = "KEY=VALUE", requires = "from")]
    from_config: Vec<KeyValues>,
    /// Show what would happen to every object, as table, json or yaml (-o), and change nothing
    #[arg(long, value_name = "server", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "server")]
    dry_run: Option<DryRun>,
    /// With --from-schedule: also take a backup that partially failed
    #[arg(long)]
    allow_partially_failed: Option<bool>,
    /// Labels of the restore: a=b,c=d
    #[arg(long, value_name = "LABELS")]
    labels: Vec<KeyValues>,
    /// Annotations of the restore: a=b,c=d
    #[arg(long, value_name = "ANNOTATIONS")]
    annotations: Vec<KeyValues>,
    /// Wait until the restore is over, and show how it goes
    #[arg(short, long)]
    wait: bool,
    #[command(flatten)]
    spec: SpecFlags,
    #[command(flatten)]
    dry: Dry,
}

#[derive(clap::Args)]
#[command(next_help_heading = "What to restore")]
struct SpecFlags {
    /// Namespaces in the backup, as names or patterns with *
    #[arg(long, value_name = "LIST", default_value = "*")]
    include_namespaces: Vec<String>,
    /// Namespaces to leave out
    #[arg(long, value_name = "LIST")]
    exclude_namespaces: Vec<String>,
    /// Resources, such as deployments.apps; * is all
    #[arg(long, value_name = "LIST")]
    include_resources: Vec<String>,
    /// Resources to leave out
    #[arg(long, value_name = "LIST")]
    exclude_resources: Vec<String>,
    /// Cluster-scoped resources: all (true), none (false); absent means those that restored objects need
    #[arg(long)]
    include_cluster_resources: Option<bool>,
    /// Only objects with these labels: app=web, tier in (a,b), !debug
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "or_selector")]
    selector: Option<Selector>,
    /// Only objects that one of several selectors matches: "a=b or c=d"
    #[arg(long, value_name = "SELECTORS")]
    or_selector: Option<OrSelectors>,
    /// New names of namespaces: old:new,old2:new2
    #[arg(long, value_name = "MAPPINGS")]
    namespace_mappings: Vec<Mappings>,
    /// What to do with objects that exist and differ: leave them (none) or change them (update)
    #[arg(long, value_name = "POLICY", value_enum)]
    existing_resource_policy: Option<Policy>,
    /// Resources whose status is restored too; * is all
    #[arg(long, value_name = "LIST")]
    status_include_resources: Vec<String>,
    /// Resources whose status is not restored
    #[arg(long, value_name = "LIST", requires = "status_include_resources")]
    status_exclude_resources: Vec<String>,
    /// Restore volumes from their snapshots; absent means yes
    #[arg(long)]
    restore_volumes: Option<bool>,
    /// Keep the node ports that services were assigned
    #[arg(long)]
    preserve_nodeports: Option<bool>,
    /// ConfigMap in the server's namespace with changes to make to objects
    #[arg(long, value_name = "NAME")]
    resource_modifier_configmap: Option<String>,
    /// Leave out the changes that the server makes in every restore without a ConfigMap of its own
    #[arg(long)]
    skip_default_resource_modifier: Option<bool>,
    /// ConfigMap in the server's namespace with filters by namespace, kind, label and name
    #[arg(long, value_name = "NAME")]
    resource_policies_configmap: Option<String>,
    /// Write runs of zeros in files as holes
    #[arg(long)]
    write_sparse_files: Option<bool>,
    /// Files that are written at the same time; 0 is the number of CPUs of the node
    #[arg(long, value_name = "NUMBER")]
    parallel_files_download: Option<i32>,
    /// How long to wait for operations on volumes, such as 6h; 0 is the default of the server (4h unless it says otherwise)
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true)]
    item_operation_timeout: Duration,
}

/// Values of `--dry-run`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DryRun {
    Server,
}

/// Values of `--existing-resource-policy`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    None,
    Update,
    /// Said by an empty value: nothing, which is `none`.
    #[value(name = "", hide = true)]
    Unset,
}

const EXAMPLES: &str = "
# Everything in a backup, and wait for it
{program} restore create --from-backup web --wait
# One namespace under another name
{program} restore create web-copy --from-backup web --namespace-mappings web:web-copy
# The newest backup of a schedule
{program} restore create --from-schedule daily
# From a folder, with nothing installed in the cluster (exit code 2 when some objects could not be restored)
{program} restore create --from ./backups --from-backup web
# What a restore would create, change and leave alone, and why; nothing is changed
{program} restore create --from-backup web --namespace-mappings web:web-copy --dry-run=server";

impl Create {
    pub(crate) async fn run(mut self, session: &Session) -> anyhow::Result<()> {
        self.from_backup = named(self.from_backup);
        self.from_schedule = named(self.from_schedule);
        if self.from_backup.is_some() == self.from_schedule.is_some() {
            return Err(Failure::new("either a backup or schedule must be specified, but not both")
                .hint("give a name to one of --from-backup and --from-schedule")
                .into());
        }
        let name = self.name.take().unwrap_or_else(|| self.default_name(&Zoned::now()));
        check_name("restore", &name)?;
        let mut restore = Restore::new(&name, self.spec.into_spec()?);
        restore.spec.backup_name = self.from_backup.unwrap_or_default();
        restore.spec.schedule_name = self.from_schedule.unwrap_or_default();
        let (labels, annotations) = (merged(self.labels), merged(self.annotations));
        restore.metadata.labels = (!labels.is_empty()).then_some(labels);
        restore.metadata.annotations = (!annotations.is_empty()).then_some(annotations);
        let place = self.from.map(|place| with_settings(session, place, self.from_config));
        if self.dry_run.is_some() {
            let partial = self.allow_partially_failed == Some(true);
            let form = self.dry.form().unwrap_or(Form::Table);
            return Box::pin(plan(session, restore, place, partial, form)).await;
        }
        if self.dry.print(session, &restore)? {
            if self.wait {
                session.screen.note(NOTHING_TO_WAIT_FOR);
            }
            return Ok(());
        }
        match place {
            Some(place) => Box::pin(local::restore(session, restore, place)).await,
            None => submit(session, restore, self.allow_partially_failed == Some(true), self.wait).await,
        }
    }

    /// Name of the backup or schedule, and the local time.
    fn default_name(&self, now: &Zoned) -> String {
        let source = self.from_backup.as_deref().or(self.from_schedule.as_deref()).unwrap_or_default();
        format!("{source}-{}", now.strftime("%Y%m%d%H%M%S"))
    }
}

/// Finds out what the restore would do, from here: the server only hands out the backup, so that Velero's own does as well.
async fn plan(
    session: &Session,
    mut restore: Restore,
    place: Option<Place>,
    partial: bool,
    form: Form,
) -> anyhow::Result<()> {
    let source = if let Some(place) = place {
        stored::from_place(&restore.spec.backup_name, place).await?
    } else {
        choose_backup(&session.cluster().await?, &mut restore, partial).await?;
        stored::from_server(session, &restore.spec.backup_name, &Trust::default()).await?
    };
    let for_people = matches!(form, Form::Table | Form::Wide);
    let progress = if for_people { Progress::new(&session.screen) } else { Progress::Silent };
    let plan = local::plan(session, restore, source, progress).await?;
    show(session, &plan, form)
}

fn show(session: &Session, plan: &Plan, form: Form) -> anyhow::Result<()> {
    let text = match form {
        Form::Table | Form::Wide => plan::tables(plan),
        Form::Json => encode(&plan::object(plan)?, Encoding::Json)?,
        Form::Yaml => encode(&plan::object(plan)?, Encoding::Yaml)?,
        Form::Name => {
            let name = |item: &PlannedItem| format!("{} {}\n", item.step.action(), item.key);
            plan.items.iter().map(name).collect()
        }
    };
    Ok(session.screen.print(text)?)
}

impl SpecFlags {
    fn into_spec(self) -> anyhow::Result<RestoreSpec> {
        if self.item_operation_timeout.is_negative() {
            return Err(Failure::new("--item-operation-timeout must not be negative").into());
        }
        if self.parallel_files_download.is_some_and(i32::is_negative) {
            return Err(Failure::new("--parallel-files-download must not be negative").into());
        }
        let status = RestoreStatusSpec {
            included_resources: entries(self.status_include_resources),
            excluded_resources: entries(self.status_exclude_resources),
        };
        let parallel_files_download = self.parallel_files_download.unwrap_or(0);
        let uploader =
            UploaderConfigForRestore { write_sparse_files: self.write_sparse_files, parallel_files_download };
        Ok(RestoreSpec {
            included_namespaces: included_namespaces(self.include_namespaces),
            excluded_namespaces: entries(self.exclude_namespaces),
            included_resources: entries(self.include_resources),
            excluded_resources: entries(self.exclude_resources),
            include_cluster_resources: self.include_cluster_resources,
            label_selector: self.selector.map(|selector| selector.0),
            or_label_selectors: self.or_selector.map(|selectors| selectors.0).unwrap_or_default(),
            namespace_mapping: merged_mappings(self.namespace_mappings),
            existing_resource_policy: self.existing_resource_policy.and_then(|policy| match policy {
                Policy::None => Some(PolicyType::None),
                Policy::Update => Some(PolicyType::Update),
                Policy::Unset => None,
            }),
            restore_status: (!status.included_resources.is_empty()).then_some(status),
            restore_pvs: self.restore_volumes,
            preserve_node_ports: self.preserve_nodeports,
            resource_modifier: named(self.resource_modifier_configmap).map(configmap),
            skip_default_resource_modifier: self.skip_default_resource_modifier,
            resource_policy: named(self.resource_policies_configmap).map(configmap),
            uploader_config: (uploader != UploaderConfigForRestore::default()).then_some(uploader),
            item_operation_timeout: self.item_operation_timeout,
            ..RestoreSpec::default()
        })
    }
}

async fn submit(session: &Session, mut restore: Restore, partial: bool, wait: bool) -> anyhow::Result<()> {
    let cluster = session.cluster().await?;
    if restore.spec.schedule_name.is_empty() {
        check_backup(&cluster, &restore.spec.backup_name).await?;
    } else if partial {
        choose_backup(&cluster, &mut restore, partial).await?;
    } else {
        of_schedule(&cluster, &restore.spec.schedule_name).await?;
    }
    let name = cluster.create(&restore).await?.name().to_owned();
    session.screen.line(format!("Restore request {name:?} submitted successfully."))?;
    if wait {
        return wait::until_over::<Restore>(session, &cluster, &name).await;
    }
    Ok(session.screen.line(wait::where_to_look(session, Noun::Restore, &name))?)
}

/// Refuses a backup that is not there or holds nothing.
async fn check_backup(cluster: &Cluster, name: &str) -> anyhow::Result<()> {
    let backup = cluster.get::<Backup>(name).await?.object;
    match backup.phase() {
        BackupPhase::Failed | BackupPhase::FailedValidation => {
            Err(Failure::new(format!("the backup {name:?} failed, there is nothing to restore from"))
                .hint(format!("see why: `{} backup describe {name}`", cluster.program))
                .into())
        }
        BackupPhase::New | BackupPhase::Queued | BackupPhase::ReadyToStart | BackupPhase::InProgress => {
            Err(Failure::new(format!("the backup {name:?} is not over yet (now: {})", backup.phase()))
                .hint(format!("see how it goes: `{} backup describe {name}`", cluster.program))
                .into())
        }
        _ => Ok(()),
    }
}

/// Puts the newest backup of the restore's schedule in the schedule's place.
async fn choose_backup(cluster: &Cluster, restore: &mut Restore, partial: bool) -> anyhow::Result<()> {
    if !restore.spec.schedule_name.is_empty() {
        restore.spec.backup_name = newest(cluster, &restore.spec.schedule_name, partial).await?;
        restore.spec.schedule_name.clear();
    }
    check_backup(cluster, &restore.spec.backup_name).await
}

/// The backups of a schedule, at least one. In a new cluster they are there before the schedule itself is, so that it need not be.
async fn of_schedule(cluster: &Cluster, schedule: &str) -> anyhow::Result<Vec<Fetched<Backup>>> {
    let backups = cluster.list::<Backup>(&format!("{}={schedule}", label::SCHEDULE_NAME)).await?;
    if !backups.is_empty() {
        return Ok(backups);
    }
    let failure = Failure::new(format!("No backups found for the schedule {schedule}"));
    let names = cluster.names::<Schedule>().await?;
    let hint = if names.iter().any(|name| name == schedule) {
        Some(format!("see when it runs: `{} schedule describe {schedule}`", cluster.program))
    } else {
        did_you_mean(schedule, names.iter().map(String::as_str))
    };
    Err(failure.maybe_hint(hint).into())
}

/// Name of the newest backup of a schedule that is over and holds something.
async fn newest(cluster: &Cluster, schedule: &str, partial: bool) -> anyhow::Result<String> {
    let backups = of_schedule(cluster, schedule).await?;
    let usable = |backup: &Backup| match backup.phase() {
        BackupPhase::Completed => true,
        phase => partial && phase == BackupPhase::PartiallyFailed,
    };
    let newest = backups
        .iter()
        .filter(|backup| usable(&backup.object))
        .max_by_key(|backup| backup.object.status.start_timestamp.as_ref().map(|time| time.0));
    match newest {
        Some(backup) => Ok(backup.name().to_owned()),
        None => Err(Failure::new(format!("the schedule {schedule:?} has no backup that could be restored"))
            .hint(format!("see `{} backup get -l {}={schedule}`", cluster.program, label::SCHEDULE_NAME))
            .into()),
    }
}

//! `backup create`: through the server, or, with `--to`, straight from here.

use bowline_api::backup::{Backup, BackupSpec};
use bowline_api::location::{BackupStorageLocationAccessMode, BackupStorageLocationPhase};
use bowline_api::{BackupStorageLocation, Kind, OwnerReference, Schedule, VolumeSnapshotLocation, label};
use jiff::Timestamp;

use super::spec::SpecFlags;
use crate::cli::flag::{KeyValues, check_name, merged};
use crate::cli::get::Dry;
use crate::cli::place::with_settings;
use crate::cluster::Cluster;
use crate::cluster::resource::KnownResources;
use crate::failure::Failure;
use crate::local::{self, Place};
use crate::nearest::nearest;
use crate::session::Session;
use crate::wait::{self, Noun};

/// Name of the location that the server takes when none is marked as the default.
const DEFAULT_LOCATION: &str = "default";

/// Create a backup
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// Name of the backup
    #[arg(value_name = "NAME", required_unless_present = "from_schedule")]
    name: Option<String>,
    /// Take everything from this schedule's template; of other flags only labels and annotations count
    #[arg(long, value_name = "NAME", value_parser = schedule_name)]
    from_schedule: Option<String>,
    /// Write the backup to a folder or to s3://BUCKET/PREFIX, from here and without a server
    #[arg(long, value_name = "PLACE", conflicts_with_all = ["from_schedule", "storage_location"])]
    to: Option<Place>,
    /// Settings of the place given by --to, such as region=eu-1,s3Url=http://localhost:9000 (region: else AWS_REGION)
    #[arg(long, value_name = "KEY=VALUE", requires = "to")]
    to_config: Vec<KeyValues>,
    /// Labels of the backup: a=b,c=d
    #[arg(long, value_name = "LABELS")]
    labels: Vec<KeyValues>,
    /// Annotations of the backup: a=b,c=d
    #[arg(long, value_name = "ANNOTATIONS")]
    annotations: Vec<KeyValues>,
    /// Wait until the backup is over, and show how it goes
    #[arg(short, long)]
    wait: bool,
    #[command(flatten)]
    spec: SpecFlags,
    #[command(flatten)]
    dry: Dry,
}

/// Why `--wait` with `-o` waits for nothing.
pub(crate) const NOTHING_TO_WAIT_FOR: &str =
    "note: with -o the object is only shown and nothing is created, so there is nothing to wait for";

const EXAMPLES: &str = "
# Everything in two namespaces, and wait for it
{program} backup create web --include-namespaces web,db --wait
# Objects with a label, kept for a day
{program} backup create app --selector app=shop --ttl 24h
# What a schedule would save, now
{program} backup create --from-schedule daily
# To a folder, with nothing installed in the cluster (exit code 2 when some objects could not be saved)
{program} backup create web --include-namespaces web --to ./backups
# Only show the object
{program} backup create web --include-namespaces web -o yaml";

impl Create {
    pub(crate) async fn run(mut self, session: &Session) -> anyhow::Result<()> {
        if let Some(name) = &self.name {
            check_name("backup", name)?;
        }
        if let Some(schedule) = self.from_schedule.take() {
            return self.take_from_schedule(session, &schedule).await;
        }
        let Self { name, to, to_config, labels, annotations, wait, spec, dry, .. } = self;
        let mut backup = Backup::new(&name.unwrap_or_default(), spec.into_spec()?);
        let (labels, annotations) = (merged(labels), merged(annotations));
        backup.metadata.labels = (!labels.is_empty()).then_some(labels);
        backup.metadata.annotations = (!annotations.is_empty()).then_some(annotations);
        if dry.print(session, &backup)? {
            if wait {
                session.screen.note(NOTHING_TO_WAIT_FOR);
            }
            return Ok(());
        }
        match to {
            Some(place) => {
                let place = with_settings(session, place, to_config);
                Box::pin(local::backup(session, backup, place)).await
            }
            None => submit(session, backup, wait).await,
        }
    }

    async fn take_from_schedule(self, session: &Session, schedule: &str) -> anyhow::Result<()> {
        let cluster = session.cluster().await?;
        let schedule = cluster.get::<Schedule>(schedule).await?.object;
        let mut backup = of_schedule(&schedule, self.name, Timestamp::now());
        for (own, given) in [
            (&mut backup.metadata.labels, merged(self.labels)),
            (&mut backup.metadata.annotations, merged(self.annotations)),
        ] {
            if !given.is_empty() {
                own.get_or_insert_default().extend(given);
            }
        }
        if self.dry.print(session, &backup)? {
            return Ok(());
        }
        session.screen.line("Creating backup from schedule, all other filters are ignored.")?;
        check_existing(&cluster, &backup).await?;
        create(session, &cluster, backup, self.wait).await
    }
}

/// The name of a schedule. An empty one must not mean a backup of everything.
fn schedule_name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("the name of a schedule is missing".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// The backup that a schedule would make at this time.
fn of_schedule(schedule: &Schedule, name: Option<String>, now: Timestamp) -> Backup {
    let schedule_name = schedule.metadata.name.clone().unwrap_or_default();
    let name = name.unwrap_or_else(|| format!("{schedule_name}-{}", now.strftime("%Y%m%d%H%M%S")));
    let mut backup = Backup::new(&name, schedule.spec.template.clone());
    let template = &schedule.spec.template.metadata.labels;
    let mut labels = if template.is_empty() {
        schedule.metadata.labels.clone().unwrap_or_default()
    } else {
        template.clone()
    };
    labels.insert(label::SCHEDULE_NAME.to_owned(), schedule_name.clone());
    backup.metadata.labels = Some(labels);
    backup.metadata.annotations.clone_from(&schedule.metadata.annotations);
    if schedule.spec.use_owner_references_in_backup == Some(true) {
        backup.metadata.owner_references = Some(vec![OwnerReference {
            api_version: Schedule::API_VERSION.to_owned(),
            kind: Schedule::KIND.to_owned(),
            name: schedule_name,
            uid: schedule.metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: None,
        }]);
    }
    backup
}

async fn submit(session: &Session, backup: Backup, wait: bool) -> anyhow::Result<()> {
    let cluster = session.cluster().await?;
    check_existing(&cluster, &backup).await?;
    check_location(&cluster, &backup.spec.storage_location).await?;
    for name in &backup.spec.volume_snapshot_locations {
        cluster.get::<VolumeSnapshotLocation>(name).await?;
    }
    check_resources(&cluster.client, &backup.spec).await?;
    warn_of_missing_namespaces(session, &cluster, &backup.spec).await;
    create(session, &cluster, backup, wait).await
}

async fn create(session: &Session, cluster: &Cluster, backup: Backup, wait: bool) -> anyhow::Result<()> {
    let name = cluster.create(&backup).await?.name().to_owned();
    session.screen.line(format!("Backup request {name:?} submitted successfully."))?;
    if wait {
        return wait::until_over::<Backup>(session, cluster, &name).await;
    }
    Ok(session.screen.line(wait::where_to_look(session, Noun::Backup, &name))?)
}

async fn check_existing(cluster: &Cluster, backup: &Backup) -> anyhow::Result<()> {
    let name = backup.metadata.name.as_deref().unwrap_or_default();
    match cluster.find::<Backup>(name).await? {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("backups.velero.io {name:?} already exists"))
            .hint(format!(
                "choose another name, or look at this one: `{} backup describe {name}`",
                cluster.program
            ))
            .into()),
    }
}

/// Finds the location that will take the backup, and refuses when it can't.
async fn check_location(cluster: &Cluster, name: &str) -> anyhow::Result<()> {
    let location = if name.is_empty() {
        default_location(cluster).await?
    } else {
        cluster.get::<BackupStorageLocation>(name).await?.object
    };
    let name = location.metadata.name.as_deref().unwrap_or_default();
    let program = cluster.program;
    if location.spec.access_mode == Some(BackupStorageLocationAccessMode::ReadOnly) {
        return Err(Failure::new(format!("the backup storage location {name:?} is read-only"))
            .hint("choose another one with --storage-location NAME")
            .into());
    }
    if location.status.phase == Some(BackupStorageLocationPhase::Unavailable) {
        let why = match location.status.message.as_str() {
            "" => "the server could not reach it",
            message => message,
        };
        // The server's own hint stands behind what it says.
        let (why, hint) =
            why.split_once("; hint: ").map_or((why, None), |(why, hint)| (why, Some(hint.to_owned())));
        return Err(Failure::new(format!("the backup storage location {name:?} is unavailable: {why}"))
            .maybe_hint(hint)
            .hint(format!(
                "it is tried again every minute; see `{program} backup-location get {name} -o wide`"
            ))
            .into());
    }
    Ok(())
}

async fn default_location(cluster: &Cluster) -> anyhow::Result<BackupStorageLocation> {
    let locations = cluster.list::<BackupStorageLocation>("").await?;
    let program = cluster.program;
    let known: Vec<&str> = locations.iter().map(crate::cluster::Fetched::name).collect();
    let chosen = locations
        .iter()
        .find(|location| location.object.spec.default)
        .or_else(|| locations.iter().find(|location| location.name() == DEFAULT_LOCATION));
    if let Some(location) = chosen {
        return Ok(location.object.clone());
    }
    if known.is_empty() {
        cluster.check_namespace().await?;
        return Err(Failure::new("there is no backup storage location that could take the backup")
            .hint(format!("create one: `{program} backup-location create default --provider aws --bucket NAME --default`"))
            .hint(format!("or write to a folder: `{program} backup create NAME --to ./backups`"))
            .into());
    }
    Err(Failure::new("no backup storage location is the default one")
        .hint(format!("choose one with --storage-location: {}", known.join(", ")))
        .hint(format!("or make one the default: `{program} backup-location set {} --default`", known[0]))
        .into())
}

/// Refuses resources that the cluster does not have: the backup would lack them in silence.
pub(crate) async fn check_resources(client: &kube::Client, spec: &BackupSpec) -> anyhow::Result<()> {
    let lists = [
        ("--include-resources", &spec.included_resources),
        ("--include-cluster-scoped-resources", &spec.included_cluster_scoped_resources),
        ("--include-namespace-scoped-resources", &spec.included_namespace_scoped_resources),
    ];
    if lists.iter().all(|(_, names)| names.is_empty()) {
        return Ok(());
    }
    let Some(known) = KnownResources::read(client).await else { return Ok(()) };
    lists.iter().try_for_each(|(flag, names)| known.check(flag, names))
}

/// Namespaces that don't exist (yet) are no error, but mostly a mistake.
pub(crate) async fn warn_of_missing_namespaces(session: &Session, cluster: &Cluster, spec: &BackupSpec) {
    if spec.included_namespaces.iter().all(String::is_empty) && !spec.included_namespaces.is_empty() {
        session.screen.note("warning: --include-namespaces is empty: no object of any namespace is included");
    }
    let plain: Vec<&String> = spec
        .included_namespaces
        .iter()
        .filter(|name| !name.is_empty() && !name.contains(['*', '?', '[']))
        .collect();
    if plain.is_empty() {
        return;
    }
    let Ok(existing) = cluster.namespaces().await else { return };
    for name in plain.into_iter().filter(|name| !existing.contains(name)) {
        let advice = nearest(name, existing.iter().map(String::as_str))
            .map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
        session.screen.note(format!("warning: the namespace {name:?} does not exist{advice}"));
    }
}

#[cfg(test)]
mod tests {
    use bowline_api::Schedule;

    use super::of_schedule;

    #[test]
    fn a_backup_of_a_schedule_is_named_labelled_and_annotated_like_the_servers() {
        let schedule: Schedule = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "daily", "uid": "u", "labels": { "team": "a" }, "annotations": { "x": "y" } },
            "spec": { "schedule": "@daily", "useOwnerReferencesInBackup": true, "template": { "ttl": "24h0m0s" } },
        }))
        .unwrap();
        let backup = of_schedule(&schedule, None, "2026-11-21T06:46:18Z".parse().unwrap());
        assert_eq!(backup.metadata.name.as_deref(), Some("daily-20261121064618"));
        let labels = backup.metadata.labels.unwrap();
        assert_eq!((labels["team"].as_str(), labels["velero.io/schedule-name"].as_str()), ("a", "daily"));
        assert_eq!(backup.metadata.annotations.unwrap()["x"], "y");
        assert_eq!(backup.metadata.owner_references.unwrap()[0].uid, "u");
        assert_eq!(backup.spec.ttl.to_string(), "24h0m0s");
    }
}

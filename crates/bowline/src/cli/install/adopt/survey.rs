//! What is there before a server is taken over, and whether that can go on.

use std::fmt::Write;

use bowline_api::{Backup, BackupStorageLocation, Restore, Schedule, VolumeSnapshotLocation};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;

use super::super::PROVIDERS;
use crate::cli::plugin::server::Server;
use crate::cluster::{Attempt, Cluster, Fetched};
use crate::failure::Failure;
use crate::output::tabs;
use crate::wait::Finite;

/// The flags of Velero's server. With any other it would not start.
const VELERO: &str = include_str!("../../../../data/velero-server-flags.txt");
/// Phase of what nobody has begun.
const NEW: &str = "New";

/// A running installation.
pub(super) struct Survey {
    deployment: String,
    pub(super) image: String,
    pub(super) replicas: i32,
    pub(super) arguments: Vec<String>,
    /// Name and provider of each.
    locations: Vec<(String, String)>,
    snapshot_locations: usize,
    schedules: usize,
    backups: usize,
    restores: usize,
    secrets: usize,
    plugins: Vec<String>,
    has_node_agent: bool,
    /// Backups and restores that are not over.
    running: Vec<String>,
}

impl Survey {
    pub(super) async fn make(cluster: &Cluster, server: &Server) -> anyhow::Result<Self> {
        let backups = cluster.list::<Backup>("").await?;
        let restores = cluster.list::<Restore>("").await?;
        let locations = cluster.list::<BackupStorageLocation>("").await?;
        let container = server.container().cloned().unwrap_or_default();
        let location = |found: &Fetched<BackupStorageLocation>| {
            (found.name().to_owned(), found.object.spec.provider.clone())
        };
        Ok(Self {
            deployment: server.name(),
            image: container.image.unwrap_or_default(),
            replicas: server.deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1).max(1),
            arguments: container.args.unwrap_or_default(),
            locations: locations.iter().map(location).collect(),
            snapshot_locations: cluster.list::<VolumeSnapshotLocation>("").await?.len(),
            schedules: cluster.list::<Schedule>("").await?.len(),
            secrets: count_secrets(cluster).await?,
            plugins: server.init_containers().iter().map(|plugin| plugin.name.clone()).collect(),
            has_node_agent: has_node_agent(cluster).await?,
            running: running(&backups).chain(running(&restores)).collect(),
            backups: backups.len(),
            restores: restores.len(),
        })
    }

    /// Refuses what this server could not go on with, before anything is stopped.
    pub(super) fn check(&self, program: &'static str) -> anyhow::Result<()> {
        if let Some((name, provider)) =
            self.locations.iter().find(|(_, provider)| !PROVIDERS.contains(&provider.as_str()))
        {
            return Err(Failure::new(format!(
                "the backup storage location {name:?} needs the provider {provider:?}, which this server does not have"
            ))
            .hint("it has aws (any S3) and filesystem; stay with Velero as long as backups are elsewhere")
            .into());
        }
        let line = [program.to_owned()].into_iter().chain(self.arguments.iter().cloned());
        if let Err(error) = crate::cli::tree(program).try_get_matches_from(line) {
            let text = error.to_string();
            let text = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return Err(Failure::new(format!("the arguments of the server would not be understood: {text}"))
                .hint(format!("change the arguments of the deployment {:?} first", self.deployment))
                .into());
        }
        Ok(())
    }

    /// The arguments that Velero's server understands.
    pub(super) fn arguments_for_velero(&self) -> Vec<String> {
        self.arguments.iter().filter(|argument| is_known_to_velero(argument)).cloned().collect()
    }

    /// Refuses to cut off what is running.
    pub(super) fn check_idle(&self) -> anyhow::Result<()> {
        match self.running.first() {
            None => Ok(()),
            Some(first) => Err(Failure::new(format!("{first} is not over, and would be cut off"))
                .hint("wait for it, pause the schedules, and run this again")
                .into()),
        }
    }

    /// What stays, and what changes.
    pub(super) fn report(&self, image: &str) -> String {
        let names: Vec<String> =
            self.locations.iter().map(|(name, provider)| format!("{name} ({provider})")).collect();
        let plugins = if self.plugins.is_empty() { "none".to_owned() } else { self.plugins.join(", ") };
        let mut text = format!("What stays\n  Backup storage locations:\t{}\n", names.join(", "));
        for (what, count) in [
            ("Snapshot locations", self.snapshot_locations),
            ("Schedules", self.schedules),
            ("Backups", self.backups),
            ("Restores", self.restores),
            ("Secrets", self.secrets),
        ] {
            // Writing to a string can't fail.
            let _ = writeln!(text, "  {what}:\t{count}");
        }
        let _ = writeln!(text, "  Plugins (init containers):\t{plugins}");
        let _ = writeln!(text, "  Arguments of the server:\t{}", self.arguments.join(" "));
        if self.has_node_agent {
            let _ = writeln!(text, "  Node agent:\tstays with its own image");
        }
        let _ = writeln!(text, "What changes\n  Image of {}:\t{} -> {image}", self.deployment, self.image);
        tabs::expand(&text, tabs::DESCRIPTION)
    }
}

fn is_known_to_velero(argument: &str) -> bool {
    let flag = |text: &'static str| text.split('=').next().unwrap_or_default();
    let given = argument.split('=').next().unwrap_or_default();
    !argument.starts_with('-') || given == "--features" || VELERO.lines().any(|line| flag(line) == given)
}

/// Backups or restores that have begun and are not over.
fn running<K: Finite>(objects: &[Fetched<K>]) -> impl Iterator<Item = String> {
    let runs = |found: &&Fetched<K>| found.object.outcome().is_none() && found.object.counts().phase != NEW;
    objects.iter().filter(runs).map(|found| format!("the {} {:?}", K::NOUN, found.name()))
}

async fn count_secrets(cluster: &Cluster) -> anyhow::Result<usize> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let attempt = Attempt { cluster, verb: "list", resource: "secrets".to_owned() };
    let list = secrets.list_metadata(&ListParams::default()).await;
    Ok(list.map_err(|error| attempt.explain(error))?.items.len())
}

async fn has_node_agent(cluster: &Cluster) -> anyhow::Result<bool> {
    let sets: Api<DaemonSet> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let attempt = Attempt { cluster, verb: "get", resource: "daemonsets.apps".to_owned() };
    let found = sets.get_opt("node-agent").await;
    Ok(found.map_err(|error| attempt.explain(error))?.is_some())
}

#[cfg(test)]
mod tests {
    use super::is_known_to_velero;

    #[test]
    fn what_velero_does_not_understand_is_taken_away_on_the_way_back() {
        for (argument, expected) in [
            ("server", true),
            ("--features=EnableCSI", true),
            ("--log-level=debug", true),
            ("--scratch-dir=/scratch", false),
            ("--public-url", false),
        ] {
            assert_eq!(is_known_to_velero(argument), expected, "{argument}");
        }
    }
}

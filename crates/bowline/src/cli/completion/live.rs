//! Names of objects, looked up fast or not at all.

use std::time::Duration;

use bowline_api::{
    Backup, BackupRepository, BackupStorageLocation, Restore, Schedule, VolumeSnapshotLocation,
};
use kube::config::Kubeconfig;

use super::engine::Names;
use crate::cli::plugin::server::Server;
use crate::cluster::Cluster;
use crate::session::Session;

/// Nobody waits longer for a completion.
const LIMIT: Duration = Duration::from_secs(3);

/// The names; none when they can't be had in time.
pub(super) async fn names(session: &Session, wanted: Names) -> Vec<String> {
    if wanted == Names::Contexts {
        return contexts(session);
    }
    let looked_up = async { look_up(&session.cluster().await?, wanted).await };
    tokio::time::timeout(LIMIT, looked_up).await.ok().and_then(Result::ok).unwrap_or_default()
}

async fn look_up(cluster: &Cluster, wanted: Names) -> anyhow::Result<Vec<String>> {
    match wanted {
        Names::Backups => cluster.names::<Backup>().await,
        Names::Restores => cluster.names::<Restore>().await,
        Names::Schedules => cluster.names::<Schedule>().await,
        Names::BackupLocations => cluster.names::<BackupStorageLocation>().await,
        Names::SnapshotLocations => cluster.names::<VolumeSnapshotLocation>().await,
        Names::Repositories => cluster.names::<BackupRepository>().await,
        Names::Namespaces => cluster.namespaces().await,
        Names::Plugins => {
            let server = Server::get(cluster).await?;
            Ok(server.init_containers().iter().map(|plugin| plugin.name.clone()).collect())
        }
        Names::Contexts => Ok(Vec::new()),
    }
}

fn contexts(session: &Session) -> Vec<String> {
    let kubeconfig = match &session.settings.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    kubeconfig.map(|file| file.contexts.into_iter().map(|context| context.name).collect()).unwrap_or_default()
}

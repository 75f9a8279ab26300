//! What a restore would do, and what differs between a backup and the cluster, found out by the engine without changing anything.

use bowline_api::Restore;
use bowline_api::restore::RestoreSpec;
use bowline_engine::diff::DiffOptions;
use bowline_engine::restore::Plan;
use bowline_server::operation::{self, Against, DiffReport, Source, diff_backup, plan_restore};

use super::link::Link;
use super::run::check;
use crate::output::progress::Progress;
use crate::session::Session;

/// The plan of a restore.
pub(crate) async fn plan(
    session: &Session,
    mut restore: Restore,
    source: Source,
    progress: Progress,
) -> anyhow::Result<Plan> {
    check(&operation::validate_restore(&restore.spec))?;
    let link = Link::new(session).await?;
    restore.metadata.namespace = Some(session.namespace().to_owned());
    operation::prepare_restore(&mut restore, &link.config.defaults, link.ports.clock.now());
    let namespace = has_rules(&restore.spec).then_some(session.namespace());
    let run = async |tools: operation::Tools<'_>| plan_restore(&tools, &restore, &source, true).await;
    Ok(link.watched(&progress, namespace, run).await?)
}

/// Whether a restore names ConfigMaps, which are read from the server's namespace.
pub(crate) fn has_rules(spec: &RestoreSpec) -> bool {
    spec.resource_modifier.is_some() || spec.resource_policy.is_some()
}

/// What differs between a backup and what the cluster has now, or another backup.
pub(crate) async fn diff(
    session: &Session,
    source: Source,
    against: Against,
    options: DiffOptions,
    progress: Progress,
) -> anyhow::Result<DiffReport> {
    let link = Link::new(session).await?;
    let namespace = source.backup.spec.resource_policy.is_some().then_some(session.namespace());
    let run = async |tools: operation::Tools<'_>| diff_backup(&tools, &source, against, &options).await;
    Ok(link.watched(&progress, namespace, run).await?)
}

//! ServerStatusRequest: says the server's version and what is built in; the request is deleted a minute later.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::request::{PluginInfo, ServerStatusRequestPhase as Phase};
use bowline_api::{ServerStatusRequest, Time};
use bowline_engine::action::{BackupAction, RestoreAction};
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use jiff::Timestamp;

use super::remaining;
use crate::context::{Context, elapsed};
use crate::failure::failure;

const KEPT: Duration = Duration::from_mins(1);

pub(super) struct Statuses {
    context: Arc<Context>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Answer,
    Delete,
    Wait(Duration),
}

fn decide(request: &ServerStatusRequest, now: Timestamp) -> Step {
    match (&request.status.phase, &request.status.processed_timestamp) {
        (Some(Phase::Processed), Some(Time(at))) => {
            remaining(KEPT, elapsed(*at, now)).map_or(Step::Delete, Step::Wait)
        }
        _ => Step::Answer,
    }
}

impl Statuses {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    async fn answer(&self, request: &ServerStatusRequest) -> Result<(), Failure> {
        let mut after = request.clone();
        after.status.phase = Some(Phase::Processed);
        after.status.processed_timestamp = Some(Time(self.context.now()));
        after.status.server_version = crate::VERSION.into();
        after.status.plugins = self.builtin().await?;
        self.context.patch(request, &after, Guard::None).await.map(drop).map_err(failure)
    }

    /// The item actions and object stores that are part of the server, as `velero plugin get` lists them.
    async fn builtin(&self) -> Result<Vec<PluginInfo>, Failure> {
        let namespace = Some(self.context.config.namespace.as_str());
        let restore = bowline_engine::action::restore::builtin(&self.context.ports, namespace).await?;
        Ok(plugins(&bowline_engine::action::backup::builtin(), &restore))
    }
}

fn plugins(backup: &[Arc<dyn BackupAction>], restore: &[Arc<dyn RestoreAction>]) -> Vec<PluginInfo> {
    let backup = backup.iter().map(|action| (action.name().to_owned(), "BackupItemAction"));
    let restore = restore.iter().map(|action| (action.name().to_owned(), "RestoreItemAction"));
    let stores = ["velero.io/aws", "velero.io/filesystem"].map(|name| (name.to_owned(), "ObjectStore"));
    let mut all: Vec<_> = backup
        .chain(restore)
        .chain(stores)
        .map(|(name, kind)| PluginInfo { name, kind: kind.into() })
        .collect();
    all.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    all
}

#[async_trait]
impl Reconcile for Statuses {
    fn name(&self) -> &'static str {
        "server-status-request"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let Some(request) = self.context.caches.status_requests.get(name) else { return Ok(Next::OnChange) };
        match decide(&request, self.context.now()) {
            Step::Answer => {
                self.answer(&request).await?;
                Ok(Next::After(KEPT))
            }
            Step::Delete => {
                self.context.delete(&*request).await.map_err(failure)?;
                Ok(Next::OnChange)
            }
            Step::Wait(left) => Ok(Next::After(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_once_and_deleted_a_minute_later() {
        let mut request = ServerStatusRequest::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(decide(&request, at(0)), Step::Answer);
        request.status.phase = Some(Phase::Processed);
        request.status.processed_timestamp = Some(Time(at(0)));
        assert_eq!(decide(&request, at(20)), Step::Wait(Duration::from_secs(40)));
        assert_eq!(decide(&request, at(60)), Step::Delete);
    }
}

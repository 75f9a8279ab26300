//! ServerStatusRequest: says the server's version and what is built in; the request is deleted a minute later.

use std::sync::Arc;

use async_trait::async_trait;
use bowline_api::request::{PluginInfo, ServerStatusRequestPhase as Phase};
use bowline_api::{ServerStatusRequest, Time};
use bowline_engine::action::{BackupAction, RestoreAction};
use bowline_reconcile::{Cache, Failure};
use jiff::{SignedDuration, Timestamp};

use super::request::{Answer, Requests};
use crate::context::Context;

const KEPT: SignedDuration = SignedDuration::from_mins(1);

pub(super) type Statuses = Requests<Status>;

pub(super) struct Status;

#[async_trait]
impl Answer for Status {
    type Request = ServerStatusRequest;

    const NAME: &'static str = "server-status-request";

    fn cache(context: &Context) -> &Cache<ServerStatusRequest> {
        &context.caches.status_requests
    }

    fn end(request: &ServerStatusRequest) -> Option<Timestamp> {
        let is_answered = request.status.phase == Some(Phase::Processed);
        let Time(at) = request.status.processed_timestamp.as_ref().filter(|_| is_answered)?;
        at.checked_add(KEPT).ok()
    }

    async fn answer(
        context: &Context,
        request: &ServerStatusRequest,
    ) -> Result<ServerStatusRequest, Failure> {
        let mut after = request.clone();
        after.status.phase = Some(Phase::Processed);
        after.status.processed_timestamp = Some(Time(context.now()));
        after.status.server_version = crate::VERSION.into();
        after.status.plugins = builtin(context).await?;
        Ok(after)
    }
}

/// The item actions and object stores that are part of the server, as `velero plugin get` lists them.
async fn builtin(context: &Context) -> Result<Vec<PluginInfo>, Failure> {
    let namespace = Some(context.config.namespace.as_str());
    let restore = bowline_engine::action::restore::builtin(&context.ports, namespace).await?;
    Ok(plugins(&bowline_engine::action::backup::builtin(), &restore))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_a_minute() {
        let mut request = ServerStatusRequest::default();
        assert_eq!(Status::end(&request), None);
        request.status.phase = Some(Phase::Processed);
        request.status.processed_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(Status::end(&request), Some(Timestamp::from_second(60).unwrap()));
    }
}

//! DownloadRequest: answers with a URL for one file of a backup or restore; the request is deleted when the URL has expired.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::request::{DownloadRequestPhase as Phase, DownloadTarget};
use bowline_api::{BackupStorageLocation, DownloadRequest, Time};
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use jiff::Timestamp;

use crate::adapter::chain;
use crate::context::{Context, elapsed};
use crate::download::{DOWNLOAD_PATH_ANNOTATION, Download, MESSAGE_ANNOTATION};
use crate::failure::failure;

/// How long a URL works (behaviour §1.2).
const LIFETIME: Duration = Duration::from_mins(10);

pub(super) struct Downloads {
    context: Arc<Context>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Answer,
    Delete,
    Wait(Duration),
}

fn decide(request: &DownloadRequest, now: Timestamp) -> Step {
    match (&request.status.phase, &request.status.expiration) {
        (Some(Phase::Processed), Some(Time(at))) if *at <= now => Step::Delete,
        (Some(Phase::Processed), Some(Time(at))) => Step::Wait(elapsed(now, *at)),
        _ => Step::Answer,
    }
}

/// Where the file can be had.
struct Answer {
    url: String,
    path: String,
}

impl Downloads {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    async fn answer(&self, request: &DownloadRequest) -> Result<(), Failure> {
        let now = self.context.now();
        let expires = now.checked_add(jiff::SignedDuration::try_from(LIFETIME)?)?;
        let mut after = request.clone();
        after.status.phase = Some(Phase::Processed);
        after.status.expiration = Some(Time(expires));
        let annotations = after.metadata.annotations.get_or_insert_default();
        match self.find(&request.spec.target, expires).await {
            Ok(answer) => {
                after.status.download_url = answer.url;
                annotations.insert(DOWNLOAD_PATH_ANNOTATION.into(), answer.path);
            }
            Err(message) => {
                tracing::warn!(
                    name = request.metadata.name.as_deref(),
                    error = message,
                    "download request has no answer"
                );
                annotations.insert(MESSAGE_ANNOTATION.into(), message);
            }
        }
        self.context.patch(request, &after, Guard::None).await.map(drop).map_err(failure)
    }

    async fn find(&self, target: &DownloadTarget, expires: Timestamp) -> Result<Answer, String> {
        let location = self.location_of(target)?;
        let name = location.metadata.name.clone().unwrap_or_default();
        let path = self.context.signer.path(&Download { location: name, target: target.clone(), expires });
        let store = self.context.store(&location).await.map_err(|error| chain(&error))?;
        let url = match store.download_url(target, LIFETIME).await {
            Ok(url) => url.expose().to_owned(),
            Err(error) if error.kind() == bowline_store::ErrorKind::NotSupported => {
                format!("{}{path}", self.context.public_url())
            }
            Err(error) => return Err(chain(&error)),
        };
        Ok(Answer { url, path })
    }

    /// Files of a restore are in the location of its backup.
    fn location_of(&self, target: &DownloadTarget) -> Result<Arc<BackupStorageLocation>, String> {
        let caches = &self.context.caches;
        let backup = if target.kind.as_str().starts_with("Restore") {
            let restore =
                caches.restores.get(&target.name).ok_or(format!("restore {:?} not found", target.name))?;
            restore.spec.backup_name.clone()
        } else {
            target.name.clone()
        };
        let backup = caches.backups.get(&backup).ok_or(format!("backup {backup:?} not found"))?;
        self.context.location(&backup.spec.storage_location).map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Reconcile for Downloads {
    fn name(&self) -> &'static str {
        "download-request"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let Some(request) = self.context.caches.download_requests.get(name) else {
            return Ok(Next::OnChange);
        };
        match decide(&request, self.context.now()) {
            Step::Answer => {
                self.answer(&request).await?;
                Ok(Next::After(LIFETIME))
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
    fn requests_are_answered_once_and_deleted_with_their_url() {
        let mut request = DownloadRequest::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(decide(&request, at(0)), Step::Answer);
        request.status.phase = Some(Phase::Processed);
        request.status.expiration = Some(Time(at(600)));
        assert_eq!(decide(&request, at(0)), Step::Wait(Duration::from_mins(10)));
        assert_eq!(decide(&request, at(600)), Step::Delete);
    }
}

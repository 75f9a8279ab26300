//! DownloadRequest: answers with a URL for one file of a backup or restore; the request is deleted when the URL has expired.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::request::{DownloadRequestPhase as Phase, DownloadTarget};
use bowline_api::{BackupStorageLocation, DownloadRequest, Time};
use bowline_engine::finding::chain;
use bowline_reconcile::{Cache, Failure};
use jiff::Timestamp;

use super::request::{Answer, Requests};
use crate::context::Context;
use crate::download::{DOWNLOAD_PATH_ANNOTATION, Download, MESSAGE_ANNOTATION};

/// How long a URL works (behaviour §1.2).
const LIFETIME: Duration = Duration::from_mins(10);

pub(super) type Downloads = Requests<Urls>;

pub(super) struct Urls;

#[async_trait]
impl Answer for Urls {
    type Request = DownloadRequest;

    const NAME: &'static str = "download-request";

    fn cache(context: &Context) -> &Cache<DownloadRequest> {
        &context.caches.download_requests
    }

    fn end(request: &DownloadRequest) -> Option<Timestamp> {
        let is_answered = request.status.phase == Some(Phase::Processed);
        request.status.expiration.as_ref().filter(|_| is_answered).map(|Time(at)| *at)
    }

    async fn answer(context: &Context, request: &DownloadRequest) -> Result<DownloadRequest, Failure> {
        let caches = &context.caches;
        tokio::join!(caches.backups.ready(), caches.restores.ready(), caches.locations.ready());
        let expires = context.now().checked_add(jiff::SignedDuration::try_from(LIFETIME)?)?;
        let mut after = request.clone();
        after.status.phase = Some(Phase::Processed);
        after.status.expiration = Some(Time(expires));
        let annotations = after.metadata.annotations.get_or_insert_default();
        match find(context, &request.spec.target, expires).await {
            Ok(found) => {
                after.status.download_url = found.url;
                annotations.insert(DOWNLOAD_PATH_ANNOTATION.into(), found.path);
            }
            Err(message) => {
                let name = request.metadata.name.as_deref();
                tracing::warn!(name, error = message, "download request has no answer");
                annotations.insert(MESSAGE_ANNOTATION.into(), message);
            }
        }
        Ok(after)
    }
}

/// Where a file can be had.
struct Found {
    url: String,
    path: String,
}

async fn find(context: &Context, target: &DownloadTarget, expires: Timestamp) -> Result<Found, String> {
    let location = location_of(context, target)?;
    let name = location.metadata.name.clone().unwrap_or_default();
    let path = context.signer.path(&Download { location: name, target: target.clone(), expires });
    let store = context.store(&location).await.map_err(|error| chain(&error))?;
    let url = match store.download_url(target, LIFETIME).await {
        Ok(url) => url.expose().to_owned(),
        Err(error) if error.kind() == bowline_store::ErrorKind::NotSupported => {
            format!("{}{path}", context.public_url())
        }
        Err(error) => return Err(chain(&error)),
    };
    Ok(Found { url, path })
}

/// Files of a restore are in the location of its backup.
fn location_of(context: &Context, target: &DownloadTarget) -> Result<Arc<BackupStorageLocation>, String> {
    let caches = &context.caches;
    let backup = if target.kind.as_str().starts_with("Restore") {
        let restore =
            caches.restores.get(&target.name).ok_or(format!("restore {:?} not found", target.name))?;
        restore.spec.backup_name.clone()
    } else {
        target.name.clone()
    };
    let backup = caches.backups.get(&backup).ok_or(format!("backup {backup:?} not found"))?;
    context.location(&backup.spec.storage_location).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_url() {
        let mut request = DownloadRequest::default();
        assert_eq!(Urls::end(&request), None);
        request.status.expiration = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(Urls::end(&request), None);
        request.status.phase = Some(Phase::Processed);
        assert_eq!(Urls::end(&request), Some(Timestamp::UNIX_EPOCH));
    }
}

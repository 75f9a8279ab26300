//! The cluster as a backup sees it now: the backup made again, into a temporary file.

use std::path::Path;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::DiffError;
use crate::archive::pipe;
use crate::archive::spool::{Limits, Spool};
use crate::backup::{self, BackupError, BackupRequest, Purpose};
use crate::finding::Findings;
use crate::port::Ports;
use crate::progress::Progress;

/// Reads everything that a backup would hold now. `request` should have only actions that read; its hooks don't run. The findings say
/// what could not be read and is therefore missing.
pub async fn spool_cluster(
    request: &BackupRequest,
    ports: &Ports,
    (limits, directory): (Limits, &Path),
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<(Spool, Findings), DiffError> {
    let request = BackupRequest { purpose: Purpose::Compare, ..request.clone() };
    let (sink, source) = pipe::pipe();
    let (made, spool) = tokio::join!(
        backup::run(&request, ports, sink, progress, cancel),
        Spool::read(source.boxed(), limits, directory),
    );
    match (made, spool) {
        (Ok(outcome), Ok(spool)) => Ok((spool, outcome.findings)),
        // The engine sees only that nobody takes its archive any more; the spool knows why.
        (Ok(_) | Err(BackupError::Archive(_)), Err(error)) => Err(error.into()),
        (Err(error), _) => Err(error.into()),
    }
}

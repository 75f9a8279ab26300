//! Work on many things at once inside one task.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::BackupError;

/// Works on all items, at most `limit` at once; the first error ends it. (A stream's own combinators would do, but the compiler can't
/// see that their futures are `Send`.)
pub(super) async fn each<'f, T>(
    limit: usize,
    items: Vec<T>,
    work: &(dyn Fn(T) -> BoxFuture<'f, Result<(), BackupError>> + Sync),
) -> Result<(), BackupError> {
    let mut items = items.into_iter();
    let mut running: FuturesUnordered<_> = items.by_ref().take(limit).map(work).collect();
    while let Some(done) = running.next().await {
        done?;
        running.extend(items.next().map(work));
    }
    Ok(())
}

//! `repo cat`: a file of a snapshot on standard output.

use futures::{StreamExt, TryStreamExt, stream};
use kopia::object::ObjectReader;
use kopia::snapshot::EntryKind;

use super::open::{Address, SnapshotPath};
use crate::failure::Failure;
use crate::local::Access;
use crate::session::Session;

/// Parts of the file that are read ahead, some megabytes each.
const AHEAD: usize = 4;

/// Print a file of a snapshot
#[derive(clap::Args)]
#[command(after_help = "
# One file of the newest snapshot
{program} repo cat ./backups latest/etc/app.conf
# Into a file, from a bucket
{program} repo cat s3://backups/kopia/shop 9bb4d3c1/dump.sql > dump.sql")]
pub(crate) struct Cat {
    #[command(flatten)]
    address: Address,
    /// The snapshot, by the beginning of its ID or as `latest`, and the file in it
    #[arg(value_name = "SNAPSHOT/FILE")]
    path: SnapshotPath,
}

impl Cat {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let opened = self.address.open(session, Access::Read).await?;
        let (_, entry) = opened.entry(&self.path).await?;
        if entry.kind == EntryKind::Directory {
            return Err(Failure::new(format!("{:?} is a folder", entry.name))
                .hint("`repo ls` lists it, `repo restore` brings it back")
                .into());
        }
        let failed = |error: kopia::Error| opened.failed(&error);
        let object = entry.object().map_err(failed)?;
        let reader = ObjectReader::open(opened.repository.contents(), object).await.map_err(failed)?;
        let mut parts = stream::iter(reader.pieces().to_vec())
            .map(|piece| {
                let reader = &reader;
                async move { reader.read_piece(&piece).await }
            })
            .buffered(AHEAD)
            .boxed();
        while let Some(part) = parts.try_next().await.map_err(failed)? {
            session.screen.bytes(part)?;
        }
        Ok(())
    }
}

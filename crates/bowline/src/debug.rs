//! The bundle of `debug`. Its layout is that of Velero's: `velero-bundle/kubecapture/GROUP_VERSION/NAMESPACE/RESOURCE-TIME.json`,
//! the logs of containers below the names of their pods, and texts beside. What can't be collected is listed in it.

mod bundle;
mod collect;
mod describe;

use std::path::Path;

use jiff::Zoned;

use crate::cluster::Cluster;
use crate::failure::explain;
use crate::session::Session;
use bundle::Bundle;

/// What to collect besides the objects and logs of the server's namespace.
pub(crate) struct Wanted {
    pub(crate) backup: Option<String>,
    pub(crate) restore: Option<String>,
    /// Say what is being collected.
    pub(crate) verbose: bool,
}

/// A bundle in the making, and what could not be collected.
struct Collection<'a> {
    session: &'a Session,
    cluster: &'a Cluster,
    bundle: Bundle,
    missing: Vec<String>,
    /// The time in names of files.
    stamp: String,
    verbose: bool,
}

impl Collection<'_> {
    /// Says what comes next.
    fn begin(&self, what: &str) {
        if self.verbose {
            self.session.screen.note(format!("collecting {what}"));
        }
    }

    /// Adds a file, or remembers why it could not be made.
    fn add(&mut self, path: &str, content: anyhow::Result<Vec<u8>>) -> anyhow::Result<()> {
        match content {
            Ok(content) => Ok(self.bundle.add(path, &content)?),
            Err(error) => {
                self.missing.push(format!("{path}: {}", explain(&error).text));
                Ok(())
            }
        }
    }
}

/// Writes the bundle, whole or not at all. Returns what could not be collected.
pub(crate) async fn write(
    session: &Session,
    cluster: &Cluster,
    path: &Path,
    wanted: &Wanted,
    now: &Zoned,
) -> anyhow::Result<Vec<String>> {
    let mut collection = Collection {
        session,
        cluster,
        bundle: Bundle::create(path, now.timestamp())?,
        missing: Vec::new(),
        stamp: now.strftime("%Y%m%d%H%M.%3f").to_string(),
        verbose: wanted.verbose,
    };
    collection.objects().await?;
    collection.logs().await?;
    collection.version().await?;
    if let Some(name) = &wanted.backup {
        collection.backup(name).await?;
    }
    if let Some(name) = &wanted.restore {
        collection.restore(name).await?;
    }
    let Collection { mut bundle, missing, .. } = collection;
    if !missing.is_empty() {
        bundle.add("not-collected.txt", (missing.join("\n") + "\n").as_bytes())?;
    }
    bundle.finish()?;
    Ok(missing)
}

//! `repo ls`: the entries of a folder of a snapshot.

use kopia::snapshot::{Directory, DirectoryEntry, EntryKind};
use serde::Serialize;

use super::open::{Address, Opened, Shape, SnapshotPath, size, table, time};
use crate::local::Access;
use crate::output::time::Now;
use crate::session::Session;

const HEADER: &str = "MODE\tUID\tGID\tSIZE\tMODIFIED\tNAME";

/// List a folder of a snapshot
#[derive(clap::Args)]
#[command(after_help = "
# The top of the newest snapshot
{program} repo ls ./backups latest
# A folder in a snapshot, and all below it
{program} repo ls s3://backups/kopia/shop 9bb4d3c1/var/lib --recursive")]
pub(crate) struct Ls {
    #[command(flatten)]
    address: Address,
    /// The snapshot, by the beginning of its ID or as `latest`, and a path in it
    #[arg(value_name = "SNAPSHOT[/PATH]")]
    path: SnapshotPath,
    /// List all folders below too
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    shape: Shape,
}

/// An entry for programs.
#[derive(Debug, Serialize)]
struct Listed {
    path: String,
    #[serde(flatten)]
    entry: DirectoryEntry,
}

impl Ls {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let opened = self.address.open(session, Access::Read).await?;
        let (_, entry) = opened.entry(&self.path).await?;
        let found = entries(&opened, entry, self.recursive).await?;
        let now = Now::here();
        self.shape.print(session, &found, || table(HEADER, found.iter().map(|listed| row(listed, &now))))
    }
}

/// A file itself; of a folder its entries, and with `recursive` those below, folder by folder.
async fn entries(opened: &Opened, top: DirectoryEntry, recursive: bool) -> anyhow::Result<Vec<Listed>> {
    if top.kind != EntryKind::Directory {
        return Ok(vec![Listed { path: top.name.clone(), entry: top }]);
    }
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), top)];
    while let Some((prefix, folder)) = folders.pop() {
        let object = folder.object().map_err(|error| opened.failed(&error))?;
        let directory = Directory::read(opened.repository.contents(), object).await;
        let mut below = Vec::new();
        for entry in directory.map_err(|error| opened.failed(&error))?.entries {
            let path = format!("{prefix}{}", entry.name);
            if recursive && entry.kind == EntryKind::Directory {
                below.push((format!("{path}/"), entry.clone()));
            }
            found.push(Listed { path, entry });
        }
        folders.extend(below.into_iter().rev());
    }
    Ok(found)
}

fn row(listed: &Listed, now: &Now) -> Vec<String> {
    let entry = &listed.entry;
    let (letter, end) = match entry.kind {
        EntryKind::Directory => ("d", "/"),
        EntryKind::Symlink => ("l", "@"),
        _ => ("-", ""),
    };
    let bytes = entry.summary.as_ref().map_or(entry.size, |below| below.size);
    vec![
        format!("{letter}{}", permissions(entry.mode.0)),
        entry.uid.to_string(),
        entry.gid.to_string(),
        size(bytes),
        time(now, entry.modified),
        format!("{}{end}", listed.path),
    ]
}

/// `rwxr-x--T`, as `ls` writes it.
fn permissions(mode: u32) -> String {
    let mut text = String::new();
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::permissions;

    #[test]
    fn permissions_look_as_in_ls() {
        for (mode, text) in [
            (0o644, "rw-r--r--"),
            (0o4755, "rwsr-xr-x"),
            (0o1777, "rwxrwxrwt"),
            (0o2640, "rw-r-S---"),
            (0, "---------"),
        ] {
            assert_eq!(permissions(mode), text);
        }
    }
}

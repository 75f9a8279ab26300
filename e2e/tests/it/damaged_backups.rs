//! Backups that are damaged or made to do harm: the restore says what is wrong, and has changed nothing in the cluster.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use bowline_e2e::{Bowline, Cluster};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::files;

const ARCHIVE: &str = "backups/b/b.tar.gz";
/// The sums of all files. Velero writes none, so that a backup without them is an ordinary one.
const SUMS: &str = "backups/b/b-checksums.json";

/// A backup of one namespace in a folder; the namespace is gone.
struct Stored {
    bowline: Bowline<'static>,
    namespace: String,
    folder: PathBuf,
}

impl Stored {
    fn new(purpose: &str) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let namespace = cluster.namespace(purpose)?;
        files::fill_namespace(cluster, &namespace, 3, 20_000)?;
        let bowline = Bowline::new(cluster, "unused")?;
        let folder = cluster.dir().join(&namespace);
        let place = folder.display().to_string();
        bowline.ok(&["backup", "create", "b", "--include-namespaces", &namespace, "--to", &place])?;
        cluster.kubectl(["delete", "namespace", &namespace, "--timeout=60s"])?.ok()?;
        Ok(Self { bowline, namespace, folder })
    }

    fn archive(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.folder.join(ARCHIVE))?)
    }

    /// Puts another archive in its place, as somebody would who can write to the store.
    fn replace(&self, archive: &[u8]) -> Result<()> {
        std::fs::write(self.folder.join(ARCHIVE), archive)?;
        let sums = self.folder.join(SUMS);
        if sums.exists() {
            std::fs::remove_file(sums)?;
        }
        Ok(())
    }

    /// Restores it, which must fail with a message that has one of these words, and must not create anything.
    fn is_refused(&self, words: &[&str]) -> Result<()> {
        let place = self.folder.display().to_string();
        // Any memory that grows with the archive shows as a failed allocation.
        let restore =
            format!("ulimit -v 4000000; exec \"$BOWLINE\" restore create r --from {place} --from-backup b");
        let output = self.bowline.shell(&restore)?;
        let message = output.clone().refused(1)?;
        ensure!(words.iter().any(|word| message.contains(word)), "none of {words:?} is in {output:#?}");
        let namespaces = self.bowline.cluster().get(&["namespaces"])?;
        let names =
            namespaces["items"].as_array().into_iter().flatten().map(|item| &item["metadata"]["name"]);
        ensure!(!names.into_iter().any(|name| *name == self.namespace.as_str()), "the namespace was created");
        Ok(())
    }
}

#[test]
fn an_archive_that_ends_too_early_is_refused() -> Result<()> {
    let stored = Stored::new("truncated")?;
    let archive = stored.archive()?;
    // Nothing at all, in the header, in the middle, and without the checksum at the end.
    for length in [0, 5, archive.len() / 2, archive.len() - 8] {
        stored.replace(&archive[..length])?;
        stored.is_refused(&["damaged", "incomplete", "truncated", "end of"])?;
    }
    Ok(())
}

#[test]
fn an_archive_with_a_changed_byte_is_refused() -> Result<()> {
    let stored = Stored::new("corrupt")?;
    let mut archive = stored.archive()?;
    let middle = archive.len() / 2;
    archive[middle] ^= 0x20;
    stored.replace(&archive)?;
    stored.is_refused(&["damaged", "corrupt"])?;
    stored.replace(b"this is no archive")?;
    stored.is_refused(&["damaged", "gzip"])
}

#[test]
fn an_archive_that_unpacks_to_more_than_a_disk_holds_is_refused() -> Result<()> {
    let stored = Stored::new("bomb")?;
    let start = Instant::now();
    // A megabyte that says of itself that it is one object of 32 GiB, and one whose members never end.
    let zeros = gzip(&vec![0; 16 << 20])?;
    let huge = [gzip(&header(&object_path("huge"), 32 << 30, b'0'))?, zeros.repeat(64)].concat();
    stored.replace(&huge)?;
    stored.is_refused(&["too large", "limit", "larger than", "more than"])?;
    let endless = [gzip(&file("resources/../x", b""))?, zeros.repeat(64)].concat();
    stored.replace(&endless)?;
    stored.is_refused(&["path", "resources/../x"])?;
    let extension = [gzip(&header("x", 32 << 30, b'x'))?, zeros.repeat(64)].concat();
    stored.replace(&extension)?;
    stored.is_refused(&["too large", "limit", "larger than", "more than"])?;
    ensure!(start.elapsed().as_secs() < 60, "refusing took {:?}", start.elapsed());
    Ok(())
}

#[test]
fn paths_that_lead_out_of_the_archive_are_refused() -> Result<()> {
    let stored = Stored::new("escape")?;
    let outside = stored.folder.with_extension("outside");
    let absolute = outside.display().to_string();
    let config_map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}});
    let body = config_map.to_string();
    for path in [
        "../../../../../../../../tmp/x",
        absolute.as_str(),
        "resources/configmaps/namespaces/../../../../x.json",
        "resources/configmaps/namespaces/default/../../x.json",
        "resources/configmaps/namespaces/default/x\n.json",
        "resources/configmaps/namespaces/default/..\\x.json",
        "resources/configmaps/x.json",
    ] {
        let archive = [file(path, body.as_bytes()), vec![0; 1024]].concat();
        stored.replace(&gzip(&archive)?)?;
        stored.is_refused(&["path"])?;
        ensure!(!outside.exists(), "{path} was written");
    }
    Ok(())
}

fn object_path(name: &str) -> String {
    format!("resources/configmaps/namespaces/default/{name}.json")
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

/// A file of a tar, padded to whole blocks.
fn file(path: &str, content: &[u8]) -> Vec<u8> {
    let mut entry = header(path, content.len() as u64, b'0');
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// The header of a tar's entry (ustar), whatever it claims: libraries would refuse to write some of these.
fn header(path: &str, size: u64, kind: u8) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |offset: usize, text: &[u8]| block[offset..offset + text.len()].copy_from_slice(text);
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(124, b"00000000000\0");
    if size < 1 << 33 {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        // GNU's form for large numbers: a set bit, then binary.
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

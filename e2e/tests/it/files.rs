//! What lies in a folder, and objects that fill one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use bowline_e2e::Cluster;
use serde_json::json;

/// Every file below a folder with its content; none if there is no such folder.
pub(crate) fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop().filter(|next| next.exists()) {
        for entry in std::fs::read_dir(&next).with_context(|| format!("list {}", next.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(folder)?.display().to_string();
                found.insert(name, std::fs::read(entry.path())?);
            }
        }
    }
    Ok(found)
}

/// The paths of every file below a folder, sorted.
pub(crate) fn below(folder: &Path) -> Result<Vec<String>> {
    Ok(contents(folder)?.into_keys().collect())
}

/// Creates so many ConfigMaps, each with so many bytes that hardly compress.
pub(crate) fn fill_namespace(cluster: &Cluster, namespace: &str, count: u64, bytes: usize) -> Result<()> {
    for number in 0..count {
        let metadata = json!({"name": format!("filler-{number}"), "namespace": namespace});
        let data = json!({"noise": noise(number, bytes)});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        cluster.apply(&object.to_string())?;
    }
    Ok(())
}

/// Random letters and digits, always the same for the same seed.
pub(crate) fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let letters = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // A remainder below 36 always is a digit in base 36.
        char::from_digit((state % 36) as u32, 36).unwrap_or_default()
    });
    letters.take(bytes).collect()
}

/// Says what this machine does not allow, where the output of a test that passes would be hidden.
pub(crate) fn say_not_run(what: &str) {
    // Nobody may be listening; that is no reason to fail.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {what}");
}

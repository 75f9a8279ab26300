//! Files that are made from the code and kept in the repository, so that users find them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use bowline_api::crd::crds;
use fs_err as fs;

/// Where the CRDs are, for `kubectl apply -f`.
const CRDS: &str = "deploy/crds";

/// Writes all generated files.
pub(crate) fn write(root: &Path) -> Result<()> {
    let folder = root.join(CRDS);
    fs::create_dir_all(&folder)?;
    for path in stale(root)? {
        match files()?.get(&path) {
            Some(text) => fs::write(root.join(path), text)?,
            None => fs::remove_file(root.join(path))?,
        }
    }
    Ok(())
}

/// Paths of generated files that are missing, differ from what would be written, or should not be there.
pub(crate) fn stale(root: &Path) -> Result<Vec<String>> {
    let mut files = files()?;
    let mut stale = Vec::new();
    let folder = root.join(CRDS);
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = format!("{CRDS}/{}", entry?.file_name().to_string_lossy());
            let expected = files.remove(&path);
            if Some(fs::read_to_string(root.join(&path))?) != expected {
                stale.push(path);
            }
        }
    }
    stale.extend(files.into_keys());
    Ok(stale)
}

/// What is generated: path to content.
fn files() -> Result<BTreeMap<String, String>> {
    let files = crds().into_iter().map(|crd| {
        let name = crd.metadata.name.as_deref().unwrap_or_default();
        Ok((format!("{CRDS}/{name}.json"), serde_json::to_string_pretty(&crd)? + "\n"))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::files;

    #[test]
    fn each_kind_has_a_file() {
        let files = files().unwrap();
        assert_eq!(files.len(), 13);
        let backups = &files["deploy/crds/backups.velero.io.json"];
        assert!(backups.contains(r#""apiVersion": "apiextensions.k8s.io/v1""#));
        assert!(!backups.contains(r#""subresources""#));
    }
}

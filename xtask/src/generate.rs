//! Files that are made from the code and kept in the repository, so that users find them.

mod fields;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use bowline_api::crd::crds;
use fs_err as fs;

/// Where the CRDs are, for `kubectl apply -f`.
const CRDS: &str = "deploy/crds";
/// The references of the documentation.
const REFERENCE: &str = "docs/reference";

/// Writes all generated files.
pub(crate) fn write(root: &Path) -> Result<()> {
    let files = files(root)?;
    for folder in [CRDS, REFERENCE] {
        fs::create_dir_all(root.join(folder))?;
    }
    for path in differing(root, &files)? {
        match files.get(&path) {
            Some(text) => fs::write(root.join(path), text)?,
            None => fs::remove_file(root.join(path))?,
        }
    }
    Ok(())
}

/// Paths of generated files that are missing, differ from what would be written, or should not be there.
pub(crate) fn stale(root: &Path) -> Result<Vec<String>> {
    differing(root, &files(root)?)
}

fn differing(root: &Path, files: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut differing = Vec::new();
    for (path, text) in files {
        let there = root.join(path);
        if !there.is_file() || fs::read_to_string(there)? != *text {
            differing.push(path.clone());
        }
    }
    if root.join(CRDS).is_dir() {
        for entry in fs::read_dir(root.join(CRDS))? {
            let path = format!("{CRDS}/{}", entry?.file_name().to_string_lossy());
            if !files.contains_key(&path) {
                differing.push(path);
            }
        }
    }
    Ok(differing)
}

/// What is generated: path to content.
fn files(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = definitions()?;
    files.insert(format!("{REFERENCE}/api.md"), fields::markdown(&crds())?);
    files.insert(format!("{REFERENCE}/cli.md"), command_line(root)?);
    Ok(files)
}

fn definitions() -> Result<BTreeMap<String, String>> {
    let files = crds().into_iter().map(|crd| {
        let name = crd.metadata.name.as_deref().unwrap_or_default();
        Ok((format!("{CRDS}/{name}.json"), serde_json::to_string_pretty(&crd)? + "\n"))
    });
    files.collect()
}

/// The program's own words on its commands and flags.
fn command_line(root: &Path) -> Result<String> {
    let run = ["run", "--quiet", "--package", "bowline", "--", "__reference"];
    let output = Command::new(env!("CARGO")).args(run).current_dir(root).output();
    let output = output.context("failed to run the program")?;
    if !output.status.success() {
        bail!("failed to print the command line's reference: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::definitions;

    #[test]
    fn each_kind_has_a_file() {
        let files = definitions().unwrap();
        assert_eq!(files.len(), 13);
        let backups = &files["deploy/crds/backups.velero.io.json"];
        assert!(backups.contains(r#""apiVersion": "apiextensions.k8s.io/v1""#));
        assert!(!backups.contains(r#""subresources""#));
    }
}

//! The text files of the repository, as far as they are ours and not made by a build.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

/// Files larger than this are data.
const MAX_LENGTH: u64 = 1 << 20;

/// Folders of builds and of running clusters; hidden ones are left out anyway, but for `.ci`.
const LEFT_OUT: &[&str] = &["target", "demo", "node_modules"];

/// A text file.
pub(crate) struct File {
    /// Path from the top of the repository, with slashes.
    pub(crate) path: String,
    /// Content.
    pub(crate) text: String,
}

impl File {
    /// The extension, without its dot.
    pub(crate) fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// The name without its folder.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// All text files below `root`, sorted by path.
pub(crate) fn read(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    collect(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() && is_ours(&name) {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() && entry.metadata()?.len() <= MAX_LENGTH {
            let bytes = fs::read(entry.path())?;
            files.extend(String::from_utf8(bytes).ok().map(|text| File { path, text }));
        }
    }
    Ok(())
}

fn is_ours(folder: &str) -> bool {
    folder == ".ci" || !(folder.starts_with('.') || LEFT_OUT.contains(&folder))
}

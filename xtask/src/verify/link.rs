//! Links from one document to another file lead somewhere.

use std::path::Path;

use super::Problem;
use crate::tree::File;

/// Links of a Markdown file to files that are not there.
pub(super) fn check(root: &Path, file: &File) -> Vec<Problem> {
    if file.extension() != "md" {
        return Vec::new();
    }
    let folder = root.join(&file.path);
    let folder = folder.parent().unwrap_or(root);
    let missing = links(&file.text).into_iter().filter(|target| !folder.join(target).exists());
    missing
        .map(|target| Problem::error(&file.path, format!("links to {target}, which is not there")))
        .collect()
}

/// Targets of links to local files, without anchors; nothing from blocks of code.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            links.extend(line.split("](").skip(1).filter_map(target));
        }
    }
    links
}

/// The local file of one link, from the text behind its `](`.
fn target(rest: &str) -> Option<&str> {
    let (target, _) = rest.split_once(')')?;
    let target = target.split(['#', ' ']).next()?;
    (!target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")).then_some(target)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{check, links};
    use crate::tree::File;

    #[test]
    fn local_targets_are_taken_from_links() {
        let text =
            "[a](b.md), [c](d/e.md#f) [g](#h)\n```\n[i](j.md)\n```\n[k](https://l.m) [n](o.md \"title\")";
        assert_eq!(links(text), ["b.md", "d/e.md", "o.md"]);
    }

    #[test]
    fn a_link_is_followed_from_the_folder_of_its_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file =
            File { path: "src/x.md".into(), text: "[a](main.rs) [b](../Cargo.toml) [c](none.rs)".into() };
        let problems = check(root, &file);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].text, "links to none.rs, which is not there");
    }
}

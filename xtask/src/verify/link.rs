//! Links from one document to another file, and to a section in one, lead somewhere.

use std::collections::BTreeMap;
use std::path::Path;

use super::Problem;
use crate::tree::File;

/// Links of a Markdown file to files or sections that are not there.
pub(super) fn check(root: &Path, file: &File) -> Vec<Problem> {
    if file.extension() != "md" {
        return Vec::new();
    }
    let folder = root.join(&file.path);
    let folder = folder.parent().unwrap_or(root);
    links(&file.text).into_iter().filter_map(|link| problem(folder, file, &link)).collect()
}

fn problem(folder: &Path, file: &File, link: &Link<'_>) -> Option<Problem> {
    let path = folder.join(link.file);
    if !link.file.is_empty() && !path.exists() {
        return Some(Problem::error(&file.path, format!("links to {}, which is not there", link.file)));
    }
    let anchor = link.anchor?;
    let other = if link.file.is_empty() { None } else { Some(fs_err::read_to_string(&path).ok()?) };
    let text = other.as_deref().unwrap_or(&file.text);
    let is_document = link.file.is_empty() || path.extension().is_some_and(|extension| extension == "md");
    (is_document && !anchors(text).iter().any(|known| known == anchor)).then(|| {
        Problem::error(&file.path, format!("links to {}#{anchor}, a section which is not there", link.file))
    })
}

/// A link to a local file; the file is empty when it is the one that links.
#[derive(Debug, PartialEq, Eq)]
struct Link<'a> {
    file: &'a str,
    anchor: Option<&'a str>,
}

/// Lines of a document that are in no block of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !fence && !in_code
    })
}

/// Links to local files.
fn links(text: &str) -> Vec<Link<'_>> {
    prose(text).flat_map(|line| line.split("](").skip(1).filter_map(link)).collect()
}

/// One link, from the text behind its `](`.
fn link(rest: &str) -> Option<Link<'_>> {
    let (target, _) = rest.split_once(')')?;
    let target = target.split(' ').next()?;
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (target, None),
    };
    (!target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .then_some(Link { file, anchor })
}

/// The anchors of a document's titles, as GitHub makes them: lower case, blanks as dashes, no other signs.
fn anchors(text: &str) -> Vec<String> {
    let titles =
        prose(text).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let anchor = |title: &str| {
        let kept = title.to_lowercase().replace(' ', "-");
        let slug: String = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
        let count = counts.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    };
    titles.map(anchor).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Link, anchors, check, links};
    use crate::tree::File;

    #[test]
    fn local_targets_are_taken_from_links() {
        let text =
            "[a](b.md), [c](d/e.md#f) [g](#h)\n```\n[i](j.md)\n```\n[k](https://l.m) [n](o.md \"title\")";
        let link = |file, anchor| Link { file, anchor };
        let expected =
            [link("b.md", None), link("d/e.md", Some("f")), link("", Some("h")), link("o.md", None)];
        assert_eq!(links(text), expected);
    }

    #[test]
    fn titles_have_the_anchors_that_github_makes() {
        let text = "# A title, `code` & more\n## Same\n```sh\n# no title\n```\n## Same\n";
        assert_eq!(anchors(text), ["a-title-code--more", "same", "same-1"]);
    }

    #[test]
    fn a_link_is_followed_from_the_folder_of_its_file_and_to_its_section() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = "# Here\n[a](main.rs) [b](../Cargo.toml) [c](none.rs) [d](#here) [e](#there) \
                    [f](../../CONTRIBUTING.md#rules) [g](../../CONTRIBUTING.md#none) [h](main.rs#L1)";
        let file = File { path: "src/x.md".into(), text: text.into() };
        let problems: Vec<String> = check(root, &file).into_iter().map(|problem| problem.text).collect();
        assert_eq!(
            problems,
            [
                "links to none.rs, which is not there",
                "links to #there, a section which is not there",
                "links to ../../CONTRIBUTING.md#none, a section which is not there",
            ]
        );
    }
}

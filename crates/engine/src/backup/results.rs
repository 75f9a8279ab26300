//! How findings of a backup are spelled in its results file (backup-format §3.6).

use std::fmt::Write;

use crate::finding::Finding;

/// One line: ` resource: /pods name: /web message: /…`, with the leading space and the slashes that Velero's lines have.
pub fn spell(finding: &Finding) -> String {
    let mut line = String::new();
    if let Some(resource) = &finding.resource {
        let _ = write!(line, " resource: /{resource}");
    }
    if let Some(name) = &finding.name {
        let _ = write!(line, " name: /{name}");
    }
    let _ = write!(line, " message: /{}", finding.message);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::GroupResource;
    use crate::finding::Level;

    #[test]
    fn lines_have_the_parts_that_are_known() {
        let pods = GroupResource::new("", "pods");
        let about = Finding::about(Level::Error, &pods, Some("shop"), "web", "boom");
        assert_eq!(spell(&about), " resource: /pods name: /web message: /boom");
        assert_eq!(spell(&Finding::general(Level::Warning, "hm")), " message: /hm");
    }
}

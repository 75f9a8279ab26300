//! The repository stands alone: no file names a place on the machine where it was written.

use super::Problem;
use crate::tree::File;

/// Put together from halves, so that this file is not found.
const FORBIDDEN: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "brief"),
    concat!("shared", "/spec"),
    concat!("shared", "/guide"),
    concat!("shared", "/design"),
    concat!("shared", "/fixtures"),
];

/// Forbidden words, with their lines.
pub(super) fn check(file: &File) -> Vec<Problem> {
    let lines = file.text.lines().zip(1..);
    lines
        .filter_map(|(line, number)| {
            let word = FORBIDDEN.iter().find(|word| line.contains(**word))?;
            Some(Problem::error(
                format!("{}:{number}", file.path),
                format!("{word:?} means nothing elsewhere"),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{FORBIDDEN, check};
    use crate::tree::File;

    #[test]
    fn forbidden_words_are_found_with_their_line() {
        let text = format!("workload\nsee {}x\n", FORBIDDEN[0]);
        let problems = check(&File { path: "README.md".into(), text });
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place, "README.md:2");
    }
}

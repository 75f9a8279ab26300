//! Files of code stay small, and their names say what is in them.

use super::Problem;
use crate::tree::File;

/// More lines than this are a question.
const QUESTION: usize = 400;
/// More lines than this are too many.
const LIMIT: usize = 600;
/// What the first line of a file says that may be longer.
const EXCEPTIONS: &[&str] = &["flat table", "generated"];
/// Names that could hold anything, and soon do.
const VAGUE: &[&str] = &["common", "helper", "helpers", "manager", "misc", "types", "util", "utils"];

/// Length and name of a file of production code. Tests may be longer: clippy sees to their functions.
pub(super) fn check(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    if file.extension() != "rs" || is_test(&file.path) {
        return problems;
    }
    let stem = file.name().trim_end_matches(".rs");
    if VAGUE.contains(&stem) || stem == "mod" {
        problems.push(Problem::error(
            &file.path,
            format!("{stem:?} says nothing: name the file by what is in it"),
        ));
    }
    let lines = file.text.lines().take_while(|line| !line.trim_start().starts_with("#[cfg(test)]")).count();
    let first = file.text.lines().next().unwrap_or_default().to_lowercase();
    if EXCEPTIONS.iter().any(|words| first.contains(words)) {
        return problems;
    }
    let text = format!("{lines} lines, {QUESTION} are a question and {LIMIT} the limit");
    if lines > LIMIT {
        problems.push(Problem::error(&file.path, text));
    } else if lines > QUESTION {
        problems.push(Problem::warning(&file.path, text));
    }
    problems
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::File;
    use crate::verify::Problem;

    fn file(path: &str, first: &str, lines: usize, last: &str) -> File {
        File { path: path.into(), text: format!("{first}\n{}{last}", "x;\n".repeat(lines)) }
    }

    #[test]
    fn long_files_are_found() {
        let tests = format!("#[cfg(test)]\n{}", "x;\n".repeat(900));
        let cases = [
            (file("a/src/plan.rs", "//! Plans.", 399, ""), 0),
            (file("a/src/plan.rs", "//! Plans.", 400, ""), 1),
            (file("a/src/plan.rs", "//! Plans.", 399, &tests), 0),
            (file("a/src/plan.rs", "//! Flat table of primes.", 900, ""), 0),
            (file("a/src/plan/tests.rs", "", 900, ""), 0),
            (file("a/tests/plan.rs", "", 900, ""), 0),
            (file("docs/plan.md", "", 900, ""), 0),
        ];
        for (file, problems) in cases {
            assert_eq!(check(&file).len(), problems, "{}", file.path);
        }
        let text = "601 lines, 400 are a question and 600 the limit";
        assert_eq!(check(&file("a.rs", "", 600, "")), [Problem::error("a.rs", text)]);
    }

    #[test]
    fn vague_names_are_found() {
        for (path, problems) in [("a/src/util.rs", 1), ("a/src/plan/mod.rs", 1), ("a/src/utility.rs", 0)] {
            assert_eq!(check(&file(path, "", 1, "")).len(), problems, "{path}");
        }
    }
}

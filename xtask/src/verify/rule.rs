//! The tables under `docs/rules/` name a test for every rule, and each of these tests exists.

use std::collections::BTreeSet;

use super::Problem;
use crate::tree::File;

/// Where the tables are.
const FOLDER: &str = "docs/rules/";

/// Rows without a test, and tests that are not there.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let tests: BTreeSet<&str> =
        files.iter().filter(|file| file.extension() == "rs").flat_map(functions).collect();
    let tables = files.iter().filter(|file| file.path.starts_with(FOLDER) && file.extension() == "md");
    tables
        .flat_map(|file| {
            rows(&file.text)
                .filter_map(|row| problem(row, &tests))
                .map(|text| Problem::error(&file.path, text))
        })
        .collect()
}

/// Names of the functions of a file, and of those that a macro makes of lines such as `a_name: story;`. A row that names one that
/// is no test would be noticed by its reader only.
fn functions(file: &File) -> impl Iterator<Item = &str> {
    let names = file.text.lines().filter_map(|line| {
        let line = line.trim();
        let bare = line.strip_prefix("pub ").unwrap_or(line);
        let bare = bare.strip_prefix("async ").unwrap_or(bare);
        bare.strip_prefix("fn ").or_else(|| line.strip_suffix(';'))
    });
    names.filter_map(|rest| rest.split(['(', '<', ':']).next())
}

/// Rows of tables, without their heads.
fn rows(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    let next = text.lines().skip(1).map(str::trim).chain([""]);
    lines
        .zip(next)
        .filter(|(line, next)| line.starts_with('|') && !line.starts_with("|--") && !next.starts_with("|--"))
        .map(|(line, _)| line)
}

/// What is wrong with a row: its last column must name at least one test, and only such as there are.
fn problem(row: &str, tests: &BTreeSet<&str>) -> Option<String> {
    let (rule, last) = row.trim_end_matches('|').rsplit_once('|')?;
    let rule = rule.trim_matches(['|', ' ']);
    let named: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return Some(format!("no test is named for: {rule}"));
    }
    let missing: Vec<&str> = named.into_iter().filter(|name| !tests.contains(name)).collect();
    (!missing.is_empty()).then(|| format!("no such test: {} (for: {rule})", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::File;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn every_rule_names_a_test_that_exists() {
        let code = file(
            "a.rs",
            "    #[tokio::test]\n    async fn paused_schedules_wait() {\n    fn each_once() {\n",
        );
        let table = "# Rules\n| rule | test |\n|---|---|\n| paused | `paused_schedules_wait`, `each_once` |\n| typo | `each_twice` |\n| bare | |\n";
        let texts: Vec<String> =
            check(&[code, file("docs/rules/backup.md", table), file("docs/other.md", table)])
                .into_iter()
                .map(|found| found.text)
                .collect();
        assert_eq!(texts, ["no such test: each_twice (for: typo)", "no test is named for: bare"]);
    }
}

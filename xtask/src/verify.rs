//! Rules that no compiler and no lint checks. Each is a pure function from files or packages to problems.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};

use crate::{generate, tree};

mod command;
mod layering;
mod link;
mod rule;
mod size;
mod word;

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    /// Path from the top of the repository, or the name of a package.
    place: String,
    /// What is wrong, and what to do.
    text: String,
    /// Whether `verify` fails.
    severity: Severity,
}

/// Whether a problem must be solved or thought about.
#[derive(Debug, PartialEq, Eq)]
enum Severity {
    /// Must be solved.
    Error,
    /// Should be thought about.
    Warning,
}

impl Problem {
    fn error(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into(), severity: Severity::Error }
    }

    fn warning(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into(), severity: Severity::Warning }
    }
}

/// Checks everything, prints all problems and fails if one of them is an error.
pub(crate) fn run(root: &Path, out: &mut dyn Write) -> Result<()> {
    let files = tree::read(root)?;
    let packages = layering::packages(root)?;
    let mut problems = Vec::new();
    problems.extend(files.iter().flat_map(size::check));
    problems.extend(files.iter().flat_map(word::check));
    problems.extend(files.iter().flat_map(|file| link::check(root, file)));
    problems.extend(rule::check(&files));
    let reference = files.iter().find(|file| file.path == command::REFERENCE).map_or("", |file| &file.text);
    let commands = command::Commands::read(reference);
    problems.extend(files.iter().flat_map(|file| commands.check(file)));
    problems.extend(packages.iter().flat_map(layering::check));
    problems.extend(
        generate::stale(root)?.into_iter().map(|path| Problem::error(path, "is stale: run `make gen`")),
    );
    for Problem { place, text, severity } in &problems {
        let level = if *severity == Severity::Error { "error" } else { "warning" };
        writeln!(out, "{level}: {place}: {text}")?;
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    if errors > 0 {
        bail!("{errors} errors");
    }
    writeln!(out, "verify: {} files and {} packages are in order", files.len(), packages.len())?;
    Ok(())
}

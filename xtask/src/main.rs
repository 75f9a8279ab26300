//! `cargo run -p xtask -- COMMAND`: generates what is derived from the code, and verifies what the compiler can't.
//!
//! `gen` writes generated files, `gen merge-keys FILE` the table that needs an OpenAPI document;
//! `verify` finds stale ones and breaches of the rules of CONTRIBUTING.md.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

mod generate;
mod merge_keys;
mod tree;
mod verify;

const USAGE: &str = "usage: cargo run -p xtask -- gen [crds | merge-keys FILE] | verify";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even standard error is closed.
            let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["gen"] | ["gen", "crds"] => generate::write(&root()),
        ["gen", "merge-keys", document] => merge_keys::write(&root(), Path::new(document)),
        ["verify"] => verify::run(&root(), &mut std::io::stdout().lock()),
        _ => bail!("{USAGE}"),
    }
}

/// The top of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

//! What the environment decides, read in one place.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// `BOWLINE_E2E_CLUSTER`: the directory of a cluster that is already up (started with MinIO), to use instead of a new one.
pub(crate) fn existing_cluster() -> Option<PathBuf> {
    variable("BOWLINE_E2E_CLUSTER").map(PathBuf::from)
}

/// The `bowline` program: `BOWLINE_BIN`, or the one that Cargo built beside the running test program.
pub(crate) fn bowline_program() -> Result<PathBuf> {
    if let Some(path) = variable("BOWLINE_BIN") {
        return Ok(PathBuf::from(path));
    }
    let tests = std::env::current_exe().context("own path")?;
    // target/debug/deps/it-0123 for a test program, target/debug/demo for another.
    let program =
        tests.ancestors().skip(1).take(2).map(|folder| folder.join("bowline")).find(|path| path.is_file());
    program.context("the bowline program is not built; run `cargo build -p bowline` first")
}

/// `BOWLINE_FORMER`: the program of a former build, which a test upgrades from.
pub fn former_program() -> Option<PathBuf> {
    variable("BOWLINE_FORMER").map(PathBuf::from)
}

/// `KEEP=1`: the demo leaves everything running.
pub fn keep() -> bool {
    variable("KEEP").is_some_and(|value| value != "0")
}

/// `STORE=s3`: the demo keeps its backup in MinIO instead of a directory.
pub fn store() -> Option<String> {
    variable("STORE")
}

/// `SOAK_KILLS`: how many servers the soak test kills.
pub fn soak_kills() -> Option<u64> {
    variable("SOAK_KILLS")?.parse().ok()
}

/// `SEED`: repeats what a test does by chance.
pub fn seed() -> Option<u64> {
    variable("SEED")?.parse().ok()
}

/// The programs' search path, the only variable that is handed on to programs under test.
pub fn search_path() -> String {
    variable("PATH").unwrap_or_default()
}

/// The root of the checkout.
pub fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

#[expect(clippy::disallowed_methods, reason = "the one place of this crate where settings are read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

//! Measures the Kopia repository engine: whole backups and restores of file trees beside what the simplest programs need
//! for the same data in the same run, beside restic and (when it is in the PATH) Kopia, and the parts of the way of the data.
//! Prints a table; asserts nothing.
//!
//! Every step runs in a process of its own, so that its CPU time and its peak memory are its own.

/// That of the program itself, so that memory is measured as its users have it.
#[path = "../../../crates/bowline/src/allocator.rs"]
mod allocator;
mod cases;
mod chain;
mod measure;
mod report;
mod step;
mod synthetic;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Benchmarks of the Kopia repository engine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    step: Option<step::Step>,
    #[command(flatten)]
    sizes: Sizes,
}

/// How much of everything.
#[derive(clap::Args)]
struct Sizes {
    /// Files of 100 bytes.
    #[arg(long, default_value_t = 200_000)]
    files: u64,
    /// Folders that they are in.
    #[arg(long, default_value_t = 20_000)]
    folders: u64,
    /// Size of each of the four large files, in MiB.
    #[arg(long, default_value_t = 512)]
    large_mib: u64,
    /// Files of 100 bytes that no disk holds; 0 leaves them out.
    #[arg(long, default_value_t = 2_000_000)]
    synthetic_files: u64,
    /// Files of 100 bytes in one folder, that no disk holds; 0 leaves them out.
    #[arg(long, default_value_t = 10_000_000)]
    synthetic_wide: u64,
    /// GiB of large files that no disk holds; 0 leaves them out.
    #[arg(long, default_value_t = 100)]
    synthetic_gib: u64,
    /// Folder for trees and repositories, on the disk to measure (default: the system's for temporary files).
    #[arg(long)]
    work: Option<PathBuf>,
    /// Only cases whose name holds this text.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> ExitCode {
    allocator::give_back_large_pieces();
    let arguments = Arguments::parse();
    let result = match arguments.step {
        Some(step) => step.run(),
        None => cases::run(&arguments.sizes),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

//! `bowline`: command line, server and helpers in one binary. Called as `velero` it calls itself that.

mod allocator;
mod cli;
mod cluster;
mod config;
mod cron;
mod debug;
mod download;
mod entry;
mod failure;
mod follow;
mod local;
mod nearest;
mod output;
mod selector;
mod session;
mod stored;
mod wait;

use std::process::ExitCode;

use crate::config::Environment;
use crate::entry::Entry;
use crate::output::screen;

fn main() -> ExitCode {
    allocator::give_back_large_pieces();
    // Several crates of the graph could choose a provider; the first use panics unless one has been chosen.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return screen::report(&anyhow::anyhow!("failed to set up TLS"));
    }
    let environment = Environment::read();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return screen::report(&anyhow::Error::new(error).context("failed to start")),
    };
    let work = async {
        match environment.entry {
            Entry::CommandLine => cli::run(environment).await,
            Entry::RestoreHelper => entry::restore_helper(&environment.arguments).await,
            Entry::Helper => entry::helper(&environment.arguments).await,
        }
    };
    match runtime.block_on(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => screen::report(&error),
    }
}

//! `bowline`: command line, server and helpers in one binary. Called as `velero` it calls itself that.

mod cli;
mod cluster;
mod config;
mod debug;
mod download;
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
use crate::output::screen;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Several crates of the graph could choose a provider; the first use panics unless one has been chosen.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return screen::report(&anyhow::anyhow!("failed to set up TLS"));
    }
    let environment = Environment::read();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return screen::report(&anyhow::Error::new(error).context("failed to start")),
    };
    match runtime.block_on(cli::run(environment)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => screen::report(&error),
    }
}

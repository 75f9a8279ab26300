//! Measures backups and restores of many objects by a running server, each beside a floor: what the simplest client needs
//! for the same requests, measured in the same run on the same machine. Prints a table; asserts nothing.
//!
//! The objects and the way of measuring are those by which Velero 1.18.2 was measured (docs/benchmarks.md).

mod client;
mod floor;
mod limit;
mod process;
mod report;
mod run;
mod sync;
mod workload;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bowline_e2e::{Bowline, Cluster};
use clap::Parser;

use crate::client::Client;
use crate::report::Report;
use crate::run::Bench;
use crate::workload::Set;

/// The arguments of the server under test, by which it is found.
const SERVER: &str = "velero server";

/// Benchmarks of the resource path.
#[derive(Parser)]
struct Arguments {
    /// Sizes of the mixed sets, in objects over 20 namespaces.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 35_000])]
    mixed: Vec<usize>,
    /// Size of the set of Secrets in one namespace.
    #[arg(long, default_value_t = 10_000)]
    secrets: usize,
    /// Memory limit in MiB of a server that restores the Secrets once more; 0 leaves that out.
    #[arg(long, default_value_t = 128)]
    memory_limit: u64,
    /// Backups in a bucket that a server finds; 0 leaves that out.
    #[arg(long, default_value_t = 5_000)]
    synced: usize,
    /// Flags of the server under test, as one string.
    #[arg(long, default_value = "")]
    server_flags: String,
}

impl Arguments {
    fn flags(&self) -> Vec<&str> {
        self.server_flags.split_whitespace().collect()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match bench(&Arguments::parse()).await {
        Ok(report) => {
            report.print();
            ExitCode::SUCCESS
        }
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn bench(arguments: &Arguments) -> Result<Report> {
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    installed.ok().context("install the TLS provider once")?;
    let cluster = Cluster::start("bench")?;
    let store = cluster.dir().join("store");
    fs_err::create_dir_all(store.join("bowline"))?;
    let bowline = Bowline::new(&cluster, "velero")?;
    bowline.install()?;
    let server = bowline.server(&arguments.flags())?;
    let path = format!("path={}", store.display());
    let location = ["backup-location", "create", "default", "--default", "--provider", "filesystem"];
    bowline.ok(&[&location[..], &["--bucket", "bowline", "--config", &path]].concat())?;

    let client = Client::new(&cluster)?;
    client.await_phase("velero.io/v1", "velero", "backupstoragelocations/default", &["Available"]).await?;
    let mut bench = Bench { client, pid: process::find(SERVER, bowline.program())? };
    let mut report = Report::default();
    bench.prepare().await?;
    for objects in &arguments.mixed {
        bench.measure(&Set::mixed(*objects), &mut report).await?;
    }
    let secrets = Set::secrets(arguments.secrets);
    if arguments.secrets > 0 {
        bench.measure(&secrets, &mut report).await?;
    }
    drop(server);
    if arguments.secrets > 0 {
        bench.measure_limited(&bowline, arguments, &secrets, &mut report).await?;
    }
    if arguments.synced > 0 {
        sync::measure(&cluster, &bench.client, arguments.synced, &mut report).await?;
    }
    cluster.end()?;
    Ok(report)
}

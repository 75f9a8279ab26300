//! Helm, built from its Go module like the cluster's programs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::command::{self, Output};
use crate::{Cluster, settings};

/// Where the chart is.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/chart");

/// Runs `helm`, on a cluster if one is given.
pub fn helm(cluster: Option<&Cluster>, arguments: &[&str]) -> Result<Output> {
    let checkout = settings::checkout();
    let built = Command::new(checkout.join("cluster/tools/build")).arg("helm").output();
    let built = built.context("start cluster/tools/build")?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let program = Path::new(String::from_utf8_lossy(&built.stdout).trim()).join("helm");
    let environment = if let Some(cluster) = cluster {
        cluster.environment()?
    } else {
        let home = checkout.join(".cache/helm").display().to_string();
        vec![("PATH".to_owned(), settings::search_path()), ("HOME".to_owned(), home)]
    };
    command::run(program, arguments, &environment, "", 300)
}

//! The program under test, run as its users run it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::command::{self, Output};
use crate::{Cluster, settings};

/// The `bowline` program on a cluster, with the namespace that holds its own objects.
#[derive(Debug)]
pub struct Bowline<'a> {
    cluster: &'a Cluster,
    program: PathBuf,
    namespace: String,
    environment: Vec<(String, String)>,
}

impl<'a> Bowline<'a> {
    /// Finds the program that Cargo built; `namespace` is what `--namespace` will say.
    pub fn new(cluster: &'a Cluster, namespace: &str) -> Result<Self> {
        let program = settings::bowline_program()?;
        Ok(Self { cluster, program, namespace: namespace.to_owned(), environment: cluster.environment()? })
    }

    /// Sets a further environment variable for the program, also for its server.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a command line, such as `["backup", "get"]`, with nothing on its input and no terminal.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        let all = [&["--namespace", &self.namespace], arguments].concat();
        command::run(&self.program, all, &self.environment, "", 300)
    }

    /// Runs a command line that must succeed, and gives its standard output.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        self.run(arguments)?.ok()
    }

    /// Runs a shell script in which `$BOWLINE` is the program, for what needs limits or a mount of its own.
    pub fn shell(&self, script: &str) -> Result<Output> {
        let mut environment = self.environment.clone();
        environment.push(("BOWLINE".to_owned(), self.program.display().to_string()));
        command::run("/bin/sh", ["-c", script], &environment, "", 300)
    }

    /// The namespace of its own objects.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The cluster that it works on.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// Waits until a backup or restore has ended, however, and gives the object.
    pub fn ended(&self, kind: &str, name: &str, limit: Duration) -> Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let object = self.object(kind, name)?;
            let ended = ["Completed", "PartiallyFailed", "Failed", "FailedValidation"];
            if ended.iter().any(|phase| object["status"]["phase"] == *phase) {
                return Ok(object);
            }
            ensure!(
                Instant::now() < deadline,
                "{kind} {name} has not ended after {limit:?}: {}",
                object["status"]
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// One of its own objects: `object("backup", "shop")`.
    pub fn object(&self, kind: &str, name: &str) -> Result<Value> {
        self.cluster.get(&["-n", &self.namespace, &format!("{kind}s.velero.io"), name])
    }

    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Installs the CRDs and makes the namespace.
    pub fn install(&self) -> Result<()> {
        self.ok(&["install", "--crds-only"])?;
        let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n", self.namespace);
        self.cluster.apply(&namespace)
    }

    /// An error with the phase, and what the object says about it, unless a backup or restore is `Completed`.
    pub fn expect_completed(&self, kind: &str, name: &str) -> Result<()> {
        let object = self.object(kind, name)?;
        let phase = object.pointer("/status/phase").and_then(Value::as_str).unwrap_or("without a phase");
        if phase == "Completed" {
            return Ok(());
        }
        bail!("{kind} {name} is {phase}: {}", object["status"])
    }

    /// Starts `bowline server` with further flags. It ends with the returned value, at the latest with the cluster.
    pub fn server(&self, flags: &[&str]) -> Result<Server<'a>> {
        self.server_named("server", flags)
    }

    /// As [`Bowline::server`], for one of several; `replica` tells them apart.
    pub fn server_named(&self, replica: &str, flags: &[&str]) -> Result<Server<'a>> {
        self.start(replica, &[], flags)
    }

    /// As [`Bowline::server`], by a command line that ends in running the words which follow, such as `nice -n 5`.
    pub fn server_under(&self, launcher: &[String], flags: &[&str]) -> Result<Server<'a>> {
        self.start("server", launcher, flags)
    }

    fn start(&self, replica: &str, launcher: &[String], flags: &[&str]) -> Result<Server<'a>> {
        let name = format!("bowline-{}-{replica}", self.namespace);
        let metrics = format!("127.0.0.1:{}", free_port()?);
        let program = self.program.display().to_string();
        let own = [&program, "--namespace", &self.namespace, "server", "--metrics-address", &metrics];
        let line = launcher.iter().map(String::as_str).chain(own).chain(flags.iter().copied());
        let mut words = line.map(ToOwned::to_owned);
        let first = words.next().map(PathBuf::from).unwrap_or_default();
        self.cluster.run(&name, &first, &words.collect::<Vec<_>>(), &self.environment)?;
        Ok(Server { cluster: self.cluster, name, metrics })
    }
}

/// A running `bowline server`.
#[derive(Debug)]
pub struct Server<'a> {
    cluster: &'a Cluster,
    name: String,
    metrics: String,
}

impl Server<'_> {
    /// The address, host and port, of its metrics.
    pub fn metrics_address(&self) -> &str {
        &self.metrics
    }

    /// What it has written so far.
    pub fn log(&self) -> Result<String> {
        let path = self.cluster.dir().join(format!("{}.log", self.name));
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// An error that shows the end of its log, if it has ended by itself.
    pub fn ensure_running(&self) -> Result<()> {
        if self.cluster.is_running(&self.name) {
            return Ok(());
        }
        let log = self.log()?;
        let lines: Vec<_> = log.lines().rev().take(10).collect();
        bail!(
            "the server has ended; its last words:\n{}",
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }

    /// Leaves it running until the cluster ends.
    pub fn keep(self) {
        std::mem::forget(self);
    }

    /// Ends it with SIGKILL, as a node does that runs out of memory, and waits for that.
    pub fn kill(&self) -> Result<()> {
        self.cluster.kill(&self.name)
    }

    /// Ends it with SIGTERM and waits for that.
    pub fn stop(&self) -> Result<()> {
        self.cluster.stop(&self.name)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // What cannot be stopped here ends with the cluster.
        let _ = self.stop();
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

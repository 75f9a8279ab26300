//! A control plane for tests, started and stopped through the scripts in `cluster/`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::command::{self, Output};
use crate::location::Location;
use crate::settings;

/// A running Kubernetes control plane, for tests with MinIO beside it.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    settings: BTreeMap<String, String>,
}

/// How long a cluster lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It ends with the process that starts it, however that ends.
    OfThisProcess,
    /// Somebody ends it by [`Cluster::end`] or `cluster/down`.
    UntilEnded,
}

impl Cluster {
    /// The cluster of this test program: started at the first call, or the one that `BOWLINE_E2E_CLUSTER` names.
    ///
    /// Tests share it, so each works in namespaces of its own ([`Cluster::namespace`]) and leaves other objects alone.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Cluster>> = OnceLock::new();
        let start =
            || settings::existing_cluster().map_or_else(|| Self::start("shared"), |dir| Self::open(&dir));
        match SHARED.get_or_init(start) {
            Ok(cluster) => Ok(cluster),
            Err(error) => bail!("the shared cluster is not usable: {error:#}"),
        }
    }

    /// A new cluster, for a test that stops parts of it or looks at everything in it.
    /// Its state is under `.cache/e2e` in the checkout; the logs stay there after its end, until the next run.
    pub fn start(name: &str) -> Result<Self> {
        let runs = settings::checkout().join(".cache/e2e");
        remove_former_runs(&runs)?;
        let dir = runs.join(std::process::id().to_string()).join(name);
        Self::start_in(&dir, Lifetime::OfThisProcess, Location::S3)
    }

    /// As [`Cluster::start`], with a node that runs pods. `None` where the machine does not allow that; `cluster/up` has said why.
    pub fn start_with_node(name: &str) -> Result<Option<Self>> {
        let runs = settings::checkout().join(".cache/e2e");
        remove_former_runs(&runs)?;
        let process = std::process::id().to_string();
        let dir = runs.join(&process).join(name);
        let up = [dir.as_os_str(), "--with-minio".as_ref(), "--with-node".as_ref(), "--owner".as_ref()];
        match exit_code("up", up.into_iter().chain([process.as_ref()]))? {
            Some(0) => Self::open(&dir).map(Some),
            Some(NO_NODE) => Ok(None),
            _ => bail!("cluster/up failed; it said why above"),
        }
    }

    /// Builds the container image of `program` and gives it to the node, under this name.
    pub fn import_image(&self, program: &Path, reference: &str) -> Result<()> {
        let file = self.dir.join("image.tar");
        let build = settings::checkout().join("deploy/image");
        let arguments = [program.as_os_str(), reference.as_ref(), file.as_os_str()];
        // The image is built by the machine, not by the cluster.
        let path = [("PATH".to_owned(), settings::search_path())];
        command::run(build, arguments, &path, "", 300)?.ok()?;
        script("import", [&self.dir, &file])
    }

    /// Starts a cluster with its state in `dir`, or what is missing of one that is there. MinIO comes with it where backups go there.
    pub fn start_in(dir: &Path, lifetime: Lifetime, location: Location) -> Result<Self> {
        let process = std::process::id().to_string();
        let owner: &[&OsStr] = match lifetime {
            Lifetime::OfThisProcess => &["--owner".as_ref(), process.as_ref()],
            Lifetime::UntilEnded => &[],
        };
        let store: &[&OsStr] = match location {
            Location::Directory => &[],
            Location::S3 => &["--with-minio".as_ref()],
        };
        script("up", [&[dir.as_os_str()], store, owner].concat())?;
        Self::open(dir)
    }

    /// Ends the cluster and everything that runs with it, and deletes all of it but the logs.
    pub fn end(&self) -> Result<()> {
        script("down", [self.dir.as_os_str(), "--wipe".as_ref()])
    }

    /// A cluster that is up already.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("env");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(Self { dir: dir.to_owned(), settings: parse_environment(&text) })
    }

    /// Where the state and the logs are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A value of the cluster's `env` file, such as `KUBECONFIG` or `BOWLINE_S3_URL`.
    pub fn setting(&self, name: &str) -> Result<&str> {
        let value = self.settings.get(name).map(String::as_str);
        value.with_context(|| format!("{name} is not set in {}", self.dir.join("env").display()))
    }

    /// Runs `kubectl` as cluster admin.
    pub fn kubectl<const N: usize>(&self, arguments: [&str; N]) -> Result<Output> {
        self.kubectl_reading(&arguments, "")
    }

    /// Creates or changes the objects of a YAML or JSON text (server-side apply).
    pub fn apply(&self, manifest: &str) -> Result<()> {
        let arguments = ["apply", "--server-side", "--force-conflicts", "--field-manager=e2e", "-f", "-"];
        self.kubectl_reading(&arguments, manifest)?.ok().map(drop)
    }

    /// One object or one list, as the API server has it: `get(&["-n", "shop", "deployment", "web"])`.
    pub fn get(&self, what: &[&str]) -> Result<Value> {
        let arguments = [&["get", "-o", "json", "--show-managed-fields"], what].concat();
        let text = self.kubectl_reading(&arguments, "")?.ok()?;
        // Of several kinds that have no objects kubectl prints nothing at all.
        if text.trim().is_empty() {
            return Ok(serde_json::json!({"items": []}));
        }
        serde_json::from_str(&text)
            .with_context(|| format!("read the answer to `kubectl get {}`", what.join(" ")))
    }

    /// Makes a namespace that nobody else uses; its name begins with `purpose`.
    pub fn namespace(&self, purpose: &str) -> Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Several processes may share one cluster (`BOWLINE_E2E_CLUSTER`), also one after another.
        let name = format!("{purpose}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.kubectl(["create", "namespace", &name])?.ok()?;
        Ok(name)
    }

    /// Ends one of the cluster's processes, such as `kube-apiserver`, until [`Cluster::resume`].
    pub fn stop(&self, process: &str) -> Result<()> {
        script("down", [self.dir.as_os_str(), process.as_ref()])
    }

    /// Starts again what [`Cluster::stop`] ended, at the same address.
    pub fn resume(&self) -> Result<()> {
        script("up", [&self.dir])
    }

    /// Runs a script of `cluster/` that works on a running cluster.
    pub(crate) fn run_script(&self, name: &str) -> Result<()> {
        let path = settings::checkout().join("cluster").join(name);
        command::run(path, [""; 0], &self.environment()?, "", 120)?.ok().map(drop)
    }

    /// Starts a program as a further process of the cluster; its output goes to `NAME.log` in [`Cluster::dir`].
    pub(crate) fn run(
        &self,
        name: &str,
        program: &Path,
        arguments: &[String],
        extra: &[(String, String)],
    ) -> Result<()> {
        let environment = self.environment()?.into_iter().chain(extra.iter().cloned());
        let mut line =
            vec![self.dir.display().to_string(), name.to_owned(), "env".to_owned(), "-i".to_owned()];
        line.extend(environment.map(|(name, value)| format!("{name}={value}")));
        line.push(program.display().to_string());
        line.extend_from_slice(arguments);
        script("run", line)
    }

    /// Ends a process of the cluster by force.
    pub(crate) fn kill(&self, name: &str) -> Result<()> {
        ensure!(self.is_running(name), "{name} has ended already");
        let record = self.record(name);
        let process = record.split_whitespace().next().unwrap_or_default();
        command::run("/bin/kill", ["-KILL", process], &[], "", 10)?.ok()?;
        // Waits until it is gone and forgets it.
        self.stop(name)
    }

    /// What `cluster/processes.sh` wrote down: process and start time.
    fn record(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join("run").join(name)).unwrap_or_default()
    }

    /// Whether a process of the cluster lives.
    pub(crate) fn is_running(&self, name: &str) -> bool {
        let record = self.record(name);
        let process = record.split_whitespace().next();
        let status =
            process.and_then(|process| std::fs::read_to_string(format!("/proc/{process}/stat")).ok());
        // The start time, as in cluster/processes.sh, tells it from a later process with the same number.
        status.is_some_and(|status| {
            record.split_whitespace().nth(1) == status.rsplit(") ").next().and_then(start_time)
        })
    }

    /// The whole environment of a program that uses this cluster. Nothing of the developer's own gets in, above all no
    /// settings in the home directory and no cloud credentials.
    pub(crate) fn environment(&self) -> Result<Vec<(String, String)>> {
        let path = format!("{}:{}", self.setting("BOWLINE_CLUSTER_BIN")?, settings::search_path());
        let home = self.dir.join("home").display().to_string();
        let pairs = [("PATH", path), ("HOME", home), ("KUBECONFIG", self.setting("KUBECONFIG")?.to_owned())];
        let network = self.setting(command::NETWORK).map(|network| (command::NETWORK, network.to_owned()));
        Ok(pairs.into_iter().chain(network).map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Runs `kubectl` as cluster admin with a text on its input.
    pub fn kubectl_reading(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let program = Path::new(self.setting("BOWLINE_CLUSTER_BIN")?).join("kubectl");
        command::run(program, arguments, &self.environment()?, input, 120)
    }
}

/// The exit code of `cluster/up` where the machine can't run a node.
const NO_NODE: i32 = 3;

/// Runs a script of `cluster/` with the environment of the developer; what it says goes to the terminal.
fn exit_code<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Result<Option<i32>> {
    let path = settings::checkout().join("cluster").join(name);
    let status = Command::new(&path).args(arguments).status();
    Ok(status.with_context(|| format!("start {}", path.display()))?.code())
}

fn script<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Result<()> {
    let code = exit_code(name, arguments)?;
    ensure!(code == Some(0), "cluster/{name} failed ({code:?}); it said why above");
    Ok(())
}

/// The twentieth field after the command name of `/proc/PID/stat`; none for a process that is dead but not yet reaped.
fn start_time(fields: &str) -> Option<&str> {
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    fields.nth(18).filter(|_| state != "Z")
}

/// Deletes the directories of processes that are gone; their clusters ended with them and only logs are left.
fn remove_former_runs(runs: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(runs) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let process = path.file_name().map(|name| Path::new("/proc").join(name));
        let ended = process.is_some_and(|process| !process.exists());
        if ended && !is_ending(&path) {
            std::fs::remove_dir_all(&path).with_context(|| format!("delete {}", path.display()))?;
        }
    }
    Ok(())
}

/// Whether a cluster of this run is still being ended.
fn is_ending(run: &Path) -> bool {
    let clusters = std::fs::read_dir(run).into_iter().flatten().flatten();
    clusters.map(|cluster| cluster.path().join("run")).any(|running| running.exists())
}

/// The lines `export NAME=VALUE` of an `env` file, except those that refer to other variables.
fn parse_environment(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs
        .filter(|(_, value)| !value.contains('$'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_env_file_is_read_as_its_shell_would() {
        let parsed = parse_environment("export A=1\nexport PATH=/bin:$PATH\n# no\nexport URL=http://x?a=b\n");
        let pairs: Vec<_> = parsed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("URL", "http://x?a=b")]);
    }
}

//! The one cluster with a node that these tests share, one test after the other.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Result, bail, ensure};
use bowline_e2e::{Bowline, Cluster, Snapshot, location, settings};

/// Name of Bowline's image on the node.
pub(crate) const IMAGE: &str = "docker.io/local/bowline:e2e";
/// Bowline's namespace.
pub(crate) const NAMESPACE: &str = "velero";

/// The cluster, for one test at a time, as there can be only one installation.
pub(crate) struct Stage {
    pub(crate) cluster: &'static Cluster,
    /// What was there before the installation.
    before: Snapshot,
    /// Where its backups are: what is stored outlives an installation, so each has a place of its own.
    prefix: String,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// The cluster with Bowline's image on its node, as soon as no other test uses it. `None` where the machine can't run a node; then
    /// it says so.
    pub(crate) fn enter(test: &str) -> Result<Option<Self>> {
        static TURN: Mutex<()> = Mutex::new(());
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static SHARED: OnceLock<Result<Option<Cluster>>> = OnceLock::new();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        match SHARED.get_or_init(start) {
            Ok(Some(cluster)) => {
                // A test that failed has left its installation.
                if cluster.kubectl(["get", "namespace", NAMESPACE])?.succeeded() {
                    clear(cluster)?;
                }
                let prefix = format!("installation-{}", NEXT.fetch_add(1, Ordering::Relaxed));
                Ok(Some(Self { cluster, before: Snapshot::everything(cluster)?, prefix, _turn: turn }))
            }
            Ok(None) => {
                // Nobody may be listening; that is no reason to fail.
                let _ = writeln!(std::io::stderr(), "NOT RUN: {test}, because this machine can't run a node");
                Ok(None)
            }
            Err(error) => bail!("the cluster with a node is not usable: {error:#}"),
        }
    }

    /// The program on this cluster.
    pub(crate) fn bowline(&self) -> Result<Bowline<'static>> {
        Bowline::new(self.cluster, NAMESPACE)
    }

    /// Installs the server by the command line, with its backups in MinIO, and waits until both can be used. Done again, it changes
    /// the server and keeps the place of the backups.
    pub(crate) fn install(&self, flags: &[&str]) -> Result<Bowline<'static>> {
        let bowline = self.bowline()?;
        let (credentials, config) = (self.credentials()?, location::s3_config(self.cluster)?);
        let place = [
            "--provider",
            "aws",
            "--bucket",
            "bowline",
            "--prefix",
            &self.prefix,
            "--backup-location-config",
            &config,
        ];
        let pod = ["--image", IMAGE, "--velero-pod-cpu-request", "0", "--secret-file", &credentials];
        bowline.ok(&[&["install", "--wait"], &place[..], &pod, flags].concat())?;
        self.wait_for_the_location()?;
        Ok(bowline)
    }

    /// A file with MinIO's keys.
    pub(crate) fn credentials(&self) -> Result<String> {
        let path = self.cluster.dir().join("credentials");
        let [key, secret] =
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| self.cluster.setting(name));
        std::fs::write(
            &path,
            format!("[default]\naws_access_key_id={}\naws_secret_access_key={}\n", key?, secret?),
        )?;
        Ok(path.display().to_string())
    }

    /// Until the server has said that it can use its default location.
    pub(crate) fn wait_for_the_location(&self) -> Result<()> {
        let waited =
            self.wait("backupstoragelocation/default", NAMESPACE, "jsonpath={.status.phase}=Available");
        waited.map_err(|error| {
            let log = ["logs", "-n", NAMESPACE, "--selector=deploy=velero", "--prefix", "--tail=20"];
            let log = self.cluster.kubectl(log).map(|output| output.stdout).unwrap_or_default();
            error.context(format!("the server can't use its location; its last words:\n{log}"))
        })
    }

    /// Until an object has a condition (`condition=Available`), for a minute.
    pub(crate) fn wait(&self, object: &str, namespace: &str, condition: &str) -> Result<()> {
        let for_condition = format!("--for={condition}");
        self.cluster
            .kubectl(["wait", object, "-n", namespace, &for_condition, "--timeout=60s"])?
            .ok()
            .map(drop)
    }

    /// Gives the program to the node as an image of another name.
    pub(crate) fn import(&self, image: &str) -> Result<()> {
        self.cluster.import_image(self.bowline()?.program(), image)
    }

    /// Gives the node the program of a former build, if there is one, else this one, as an image of another name.
    pub(crate) fn import_former(&self, image: &str) -> Result<()> {
        match settings::former_program() {
            Some(program) => self.cluster.import_image(&program, image),
            None => self.import(image),
        }
    }

    /// Deletes whatever is there of an installation, if nothing of it is left then.
    pub(crate) fn clear(&self) -> Result<()> {
        clear(self.cluster)?;
        self.is_as_before()
    }

    /// Removes the server with everything that belongs to it, if nothing of it is left then.
    pub(crate) fn uninstall(&self, bowline: &Bowline<'_>) -> Result<()> {
        bowline.ok(&["uninstall", "--force"])?;
        self.is_as_before()
    }

    /// An error if there is any object, of any kind, that was not there before.
    fn is_as_before(&self) -> Result<()> {
        let left = Snapshot::left_in(self.cluster, &self.before)?;
        ensure!(left.is_empty(), "still there: {left:#?}");
        Ok(())
    }
}

/// Deletes what a test has left, also of Helm: its namespace does not say whose it is.
fn clear(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(["delete", "deployment", "--all", "-n", NAMESPACE])?.ok()?;
    cluster.kubectl(["label", "namespace", NAMESPACE, "component=velero", "--overwrite"])?.ok()?;
    Bowline::new(cluster, NAMESPACE)?.ok(&["uninstall", "--force"]).map(drop)
}

fn start() -> Result<Option<Cluster>> {
    let Some(cluster) = Cluster::start_with_node("node")? else { return Ok(None) };
    cluster.import_image(Bowline::new(&cluster, NAMESPACE)?.program(), IMAGE)?;
    Ok(Some(cluster))
}

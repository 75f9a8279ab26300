//! Two servers: one works, the other takes over, and the one that lost the Lease changes nothing any more.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bowline_e2e::{Bowline, Cluster, Gate, Server, location};

use crate::files;

/// How much there is to save, and after how much of it the leader hangs.
const OBJECTS: u64 = 12;
const OBJECT_BYTES: usize = 400_000;
const HELD_AFTER: usize = 2_000_000;
const HELD: Duration = Duration::from_mins(1);
/// What a kill may cost until the other one leads.
const TAKEOVER: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_mins(4);
const ELECT: &str = "--leader-elect";

/// Something to save in a namespace, a server's namespace, and a gate between the first server and the API server.
struct Pair {
    cluster: &'static Cluster,
    gate: Gate,
    application: String,
    namespace: String,
    folder: PathBuf,
}

impl Pair {
    fn new(purpose: &str) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let application = cluster.namespace(purpose)?;
        files::fill_namespace(cluster, &application, OBJECTS, OBJECT_BYTES)?;
        let namespace = cluster.namespace("servers")?;
        let gate = Gate::before(cluster.setting("BOWLINE_API_SERVER")?.trim_start_matches("https://"))?;
        let folder = cluster.dir().join(&namespace).join("bucket");
        std::fs::create_dir_all(&folder)?;
        let pair = Self { cluster, gate, application, namespace, folder };
        pair.direct()?.install()?;
        Ok(pair)
    }

    /// The program with a way of its own to the API server.
    fn direct(&self) -> Result<Bowline<'static>> {
        Bowline::new(self.cluster, &self.namespace)
    }

    /// The program behind the gate.
    fn held(&self) -> Result<Bowline<'static>> {
        let path = self.folder.with_file_name("kubeconfig-gate");
        let config = std::fs::read_to_string(self.cluster.setting("KUBECONFIG")?)?;
        let direct = self.cluster.setting("BOWLINE_API_SERVER")?;
        std::fs::write(&path, config.replace(direct, &format!("https://{}", self.gate.address())))?;
        Ok(self.direct()?.with_environment("KUBECONFIG", &path.display().to_string()))
    }

    /// The first server, which leads and can be held, and the second, which stands by.
    fn servers(&self) -> Result<(Server<'static>, Server<'static>)> {
        let first = self.held()?.server_named("first", &[ELECT])?;
        let leader = self.wait_for_another_leader("")?;
        let second = self.direct()?.server_named("second", &[ELECT])?;
        wait_until("the second server answers", HELD, || {
            Ok(status(&second, "/readyz").is_ok_and(|code| code == 200))
        })?;
        ensure!(self.leader()? == leader, "the second server leads although the first one lives");
        let config = format!("path={}", self.folder.with_file_name("").display());
        let create = ["backup-location", "create", "default", "--default", "--provider", "filesystem"];
        self.direct()?.ok(&[&create[..], &["--bucket", "bucket", "--config", &config]].concat())?;
        let judged = location::judged(&self.direct()?, &first, "default")?;
        ensure!(judged["status"]["phase"] == "Available", "{}", judged["status"]);
        Ok((first, second))
    }

    fn leader(&self) -> Result<String> {
        let lease = self.cluster.kubectl([
            "get",
            "lease",
            "bowline",
            "-n",
            &self.namespace,
            "-o",
            "jsonpath={.spec.holderIdentity}",
        ])?;
        // There is none before the first server.
        Ok(lease.ok().unwrap_or_default())
    }

    fn wait_for_another_leader(&self, than: &str) -> Result<String> {
        let mut leader = String::new();
        wait_until("there is another leader", HELD, || {
            leader = self.leader()?;
            Ok(!leader.is_empty() && leader != than)
        })?;
        Ok(leader)
    }

    /// Begins a backup that hangs in its middle, as the leader does.
    fn backup_in_its_middle(&self) -> Result<()> {
        self.gate.hold_after(HELD_AFTER);
        self.direct()?.ok(&["backup", "create", "b", "--include-namespaces", &self.application])?;
        self.gate.wait_until_it_holds(HELD)?;
        ensure!(!self.folder.join("backups/b/velero-backup.json").exists(), "it is complete already");
        Ok(())
    }

    fn ensure_restored(&self, namespace: &str) -> Result<()> {
        for number in 0..OBJECTS {
            let name = format!("filler-{number}");
            let copy = self.cluster.get(&["-n", namespace, "configmap", &name])?;
            ensure!(copy["data"]["noise"] == files::noise(number, OBJECT_BYTES), "{name} is not what it was");
        }
        Ok(())
    }
}

fn wait_until(what: &str, limit: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !is_so()? {
        ensure!(Instant::now() < deadline, "waited {limit:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The whole answer to a GET on a server's own address.
fn answer(server: &Server<'_>, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server.metrics_address()).context("connect to the server")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: server\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn status(server: &Server<'_>, path: &str) -> Result<u16> {
    let text = answer(server, path)?;
    text.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the answer has no status")
}

#[test]
fn the_standby_takes_over_a_backup_and_a_restore_of_a_killed_leader() -> Result<()> {
    let pair = Pair::new("failover")?;
    let (first, second) = pair.servers()?;
    let bowline = pair.direct()?;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(status(&second, path)?, 200, "{path}");
    }
    assert!(answer(&first, "/metrics")?.contains("bowline_leader 1"));
    assert!(answer(&second, "/metrics")?.contains("bowline_leader 0"));

    let leader = pair.leader()?;
    pair.backup_in_its_middle()?;
    first.kill()?;
    let killed = Instant::now();
    pair.wait_for_another_leader(&leader)?;
    assert!(killed.elapsed() <= TAKEOVER, "taken over after {:?}", killed.elapsed());
    let backup = bowline.ended("backup", "b", LIMIT)?;
    assert_eq!(backup["status"]["phase"], "Completed", "{backup:#}");

    // The next one stands behind the gate again, and leads once the second has gone.
    pair.gate.open();
    let third = pair.held()?.server_named("third", &[ELECT])?;
    wait_until("the third server answers", HELD, || {
        Ok(status(&third, "/readyz").is_ok_and(|code| code == 200))
    })?;
    let leader = pair.leader()?;
    let stopped = Instant::now();
    second.stop()?;
    let leader = pair.wait_for_another_leader(&leader)?;
    assert!(stopped.elapsed() <= Duration::from_secs(8), "handed over after {:?}", stopped.elapsed());

    let fourth = bowline.server_named("fourth", &[ELECT])?;
    let copy = format!("{}-copy", pair.application);
    pair.gate.hold_after(HELD_AFTER);
    let mapping = format!("{}:{copy}", pair.application);
    bowline.ok(&["restore", "create", "r", "--from-backup", "b", "--namespace-mappings", &mapping])?;
    pair.gate.wait_until_it_holds(HELD)?;
    third.kill()?;
    pair.wait_for_another_leader(&leader)?;
    let restore = bowline.ended("restore", "r", LIMIT)?;
    assert_eq!(restore["status"]["phase"], "Completed", "{restore:#}");
    assert_eq!(restore["status"]["warnings"].as_i64().unwrap_or_default(), 0, "{restore:#}");
    pair.ensure_restored(&copy)?;
    fourth.stop()
}

#[test]
fn a_leader_that_is_cut_off_changes_nothing_after_it_has_lost_the_lease() -> Result<()> {
    let pair = Pair::new("fenced")?;
    let (first, second) = pair.servers()?;
    let leader = pair.leader()?;
    pair.backup_in_its_middle()?;
    let leader = pair.wait_for_another_leader(&leader)?;
    let backup = pair.direct()?.ended("backup", "b", LIMIT)?;
    assert_eq!(backup["status"]["phase"], "Completed", "{backup:#}");
    let stored = files::contents(&pair.folder)?;
    // What the first one has waited for arrives now.
    pair.gate.open();
    wait_until("the first server stands by", HELD, || {
        Ok(answer(&first, "/metrics")?.contains("bowline_leader 0"))
    })?;
    std::thread::sleep(Duration::from_secs(5));
    first.ensure_running()?;
    assert!(files::contents(&pair.folder)? == stored, "the store was changed");
    assert_eq!(
        pair.direct()?.object("backup", "b")?["metadata"]["resourceVersion"],
        backup["metadata"]["resourceVersion"]
    );
    assert_eq!(pair.leader()?, leader);
    first.stop()?;
    second.stop()
}

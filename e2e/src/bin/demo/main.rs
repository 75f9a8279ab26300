//! The story of `make demo`: an application is backed up, lost and restored, and every object is compared.
//!
//! It uses only what a user has: the `bowline` program, `kubectl`, a cluster. `STORE=s3` keeps the backup in MinIO instead of a
//! directory, `KEEP=1` leaves everything running at the end.

mod disaster;
mod location;

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bowline_e2e::compare::{RESTORED, Report};
use bowline_e2e::{Bowline, Cluster, Lifetime, Snapshot, settings};

use crate::location::Location;

const NAMESPACES: [&str; 2] = ["shop", "warehouse"];
/// Every cluster-scoped object of the sample application has this label.
const CLUSTER_SCOPED: &str = "sample=shop";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(format!("\nThe demo failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every object came back as it was.
fn run() -> Result<bool> {
    let location = Location::parse(settings::store().as_deref())?;
    let dir = settings::checkout().join("demo");
    let cluster = fresh_cluster(&dir)?;
    let bowline = Bowline::new(&cluster, "velero")?;
    let result = tell(&cluster, &bowline, location);
    if settings::keep() {
        explain_what_is_kept(&cluster, &bowline);
    } else {
        cluster.end()?;
        say("Everything is stopped. KEEP=1 make demo leaves it running, to look around.");
    }
    if result.is_err() {
        say(format!("The logs are in {}.", cluster.dir().display()));
    }
    result
}

fn tell(cluster: &Cluster, bowline: &Bowline<'_>, location: Location) -> Result<bool> {
    chapter("Bowline: its resource definitions, its server, a place for backups");
    bowline.install()?;
    let server = bowline.server(&[])?;
    location.create(cluster, bowline, &server)?;

    chapter("An application: two namespaces and what belongs to them in the cluster");
    cluster.create_sample()?;
    let before = when_settled(cluster)?;
    say(format!("{} objects of {} kinds", before.objects.len(), kinds(&before)));

    chapter("The backup");
    let namespaces = NAMESPACES.join(",");
    let backup = [
        "backup",
        "create",
        "shop",
        "--include-namespaces",
        &namespaces,
        "--include-cluster-resources",
        "--wait",
    ];
    say(timed(|| bowline.ok(&backup))?);
    expect_completed(cluster, "backup", "shop")?;
    say(bowline.ok(&["backup", "describe", "shop", "--details"])?);

    chapter("The disaster: both namespaces and everything that belonged to them is deleted");
    timed(|| disaster::strike(cluster, &before))?;
    let left = take(cluster)?;
    ensure!(
        left.objects.is_empty(),
        "still there: {:?}",
        left.objects.keys().map(ToString::to_string).collect::<Vec<_>>()
    );

    chapter("The restore");
    let restore = ["restore", "create", "shop-again", "--from-backup", "shop", "--wait"];
    say(timed(|| bowline.ok(&restore))?);
    say(bowline.ok(&["restore", "describe", "shop-again"])?);
    expect_completed(cluster, "restore", "shop-again")?;

    chapter("Every object, compared with what it was before the disaster");
    let report = compare_when_settled(cluster, &before)?;
    say(&report);
    say(if report.is_equal() {
        "Everything is back as it was."
    } else {
        "Not everything is back as it was; see the lines above."
    });
    say(format!("The backup is in {}", location.place(cluster)?));
    if settings::keep() {
        server.keep();
    }
    Ok(report.is_equal())
}

/// A cluster of which nothing is left from a former demo.
fn fresh_cluster(dir: &Path) -> Result<Cluster> {
    let state = dir.join("cluster");
    if let Ok(former) = Cluster::open(&state) {
        former.end()?;
    }
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("delete {}", dir.display()))?;
    }
    chapter("A Kubernetes control plane on this machine");
    Cluster::start_in(&state, if settings::keep() { Lifetime::UntilEnded } else { Lifetime::OfThisProcess })
}

fn take(cluster: &Cluster) -> Result<Snapshot> {
    Snapshot::take(cluster, &NAMESPACES, CLUSTER_SCOPED)
}

/// The application as soon as the controllers have done their part and nothing moves any more.
fn when_settled(cluster: &Cluster) -> Result<Snapshot> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut last = take(cluster)?;
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_secs(1));
        let next = take(cluster)?;
        if Report::compare(&last, &next, &[]).is_equal() {
            return Ok(next);
        }
        last = next;
    }
    bail!("the application does not come to rest")
}

/// Controllers need a moment to take the restored objects over; a difference counts when it stays.
fn compare_when_settled(cluster: &Cluster, before: &Snapshot) -> Result<Report> {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let report = Report::compare(before, &take(cluster)?, RESTORED);
        if report.is_equal() || Instant::now() > deadline {
            return Ok(report);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn expect_completed(cluster: &Cluster, kind: &str, name: &str) -> Result<()> {
    let object = cluster.get(&["-n", "velero", &format!("{kind}s.velero.io"), name])?;
    let phase = object.pointer("/status/phase").and_then(|phase| phase.as_str()).unwrap_or("no phase");
    ensure!(phase == "Completed", "the {kind} ended as {phase}");
    Ok(())
}

fn kinds(snapshot: &Snapshot) -> usize {
    let kinds: std::collections::BTreeSet<_> =
        snapshot.objects.keys().map(|key| (&key.group, &key.kind)).collect();
    kinds.len()
}

fn explain_what_is_kept(cluster: &Cluster, bowline: &Bowline<'_>) {
    let env = cluster.dir().join("env");
    say(format!("\nEverything is still running. To look around:\n    . {}", env.display()));
    say(format!("    kubectl get all -A\n    {} backup get", bowline.program().display()));
    say("To end it: make clean-cluster");
}

/// Does a step and says how long it took.
fn timed<T>(step: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = step()?;
    say(format!("(took {:.1} s)", start.elapsed().as_secs_f64()));
    Ok(result)
}

fn chapter(title: &str) {
    say(format!("\n== {title}"));
}

fn say(text: impl Display) {
    // Nobody may be listening; that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{}", text.to_string().trim_end());
}

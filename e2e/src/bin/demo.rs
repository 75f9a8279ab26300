//! The story of `make demo`: an application is backed up, lost and restored, and every object is compared.
//!
//! It uses only what a user has: the `bowline` program, `kubectl`, a cluster. `STORE=s3` keeps the backup in MinIO instead of a
//! directory, `KEEP=1` leaves everything running at the end.

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use bowline_e2e::{Bowline, Cluster, Lifetime, Location, Sample, settings};

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
    let cluster = fresh_cluster(&dir, location)?;
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
    location.create(bowline, &server)?;
    say(run_shown(bowline, &["backup-location", "get"])?);

    chapter("An application: two namespaces and what belongs to them in the cluster");
    let sample = Sample::create(cluster)?;
    let before = sample.settled()?;
    say(format!("{} objects of {} kinds", before.objects.len(), before.kinds()));

    chapter("The backup");
    let namespaces = Sample::NAMESPACES.join(",");
    let backup = [
        "backup",
        "create",
        "shop",
        "--include-namespaces",
        &namespaces,
        "--include-cluster-resources",
        "--wait",
    ];
    timed(|| run_shown(bowline, &backup).map(say))?;
    say(without_the_systems_own(&run_shown(bowline, &["backup", "describe", "shop", "--details"])?));
    bowline.expect_completed("backup", "shop")?;

    chapter("The disaster: both namespaces and everything that belonged to them is deleted");
    timed(|| sample.destroy(&before))?;

    chapter("The restore");
    let restore = ["restore", "create", "shop-again", "--from-backup", "shop", "--wait"];
    timed(|| run_shown(bowline, &restore).map(say))?;
    say(run_shown(bowline, &["restore", "describe", "shop-again"])?);
    bowline.expect_completed("restore", "shop-again")?;

    chapter("Every object, compared with what it was before the disaster");
    let report = sample.compare(&before)?;
    say(&report);
    say("(EndpointSlices that controllers made are compared by Service, because they have random names)");
    if report.is_equal() {
        say("Everything is back as it was.");
    } else {
        say("Not everything is back as it was; the lines above say what is not.");
    }
    say(format!("The backup is in {}", location.place(cluster)?));
    if settings::keep() {
        server.keep();
    }
    Ok(report.is_equal())
}

/// A cluster of which nothing is left from a former demo.
fn fresh_cluster(dir: &Path, location: Location) -> Result<Cluster> {
    let state = dir.join("cluster");
    if let Ok(former) = Cluster::open(&state) {
        former.end()?;
    }
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("delete {}", dir.display()))?;
    }
    chapter("A Kubernetes control plane on this machine");
    let lifetime = if settings::keep() { Lifetime::UntilEnded } else { Lifetime::OfThisProcess };
    Cluster::start_in(&state, lifetime, location)
}

fn explain_what_is_kept(cluster: &Cluster, bowline: &Bowline<'_>) {
    let env = cluster.dir().join("env");
    say(format!("\nEverything is still running. To look around:\n    . {}", env.display()));
    say(format!("    kubectl get all -A\n    {} backup get", bowline.program().display()));
    say("To end it: make clean-cluster");
}

/// Runs the program after showing how a user would call it.
fn run_shown(bowline: &Bowline<'_>, arguments: &[&str]) -> Result<String> {
    say(format!("\n$ bowline {}", arguments.join(" ")));
    bowline.ok(arguments)
}

/// A description without the dozens of objects that every control plane makes for itself.
fn without_the_systems_own(description: &str) -> String {
    let is_own = |line: &&str| line.trim_start().starts_with("- system:");
    let left_out = description.lines().filter(is_own).count();
    let shown: Vec<_> = description.lines().filter(|line| !is_own(line)).collect();
    format!(
        "{}\n({left_out} lines of the control plane's own objects, system:..., are not shown here)",
        shown.join("\n")
    )
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

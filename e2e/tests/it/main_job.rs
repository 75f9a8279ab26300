//! The main job, once for each store: an application is backed up through the server, lost, restored, and is what it was.

use anyhow::Result;
use bowline_e2e::{Bowline, Cluster, Location, Sample};

#[test]
fn a_lost_application_comes_back_from_a_directory() -> Result<()> {
    lose_and_restore("main-job-directory", Location::Directory)
}

#[test]
fn a_lost_application_comes_back_from_s3() -> Result<()> {
    lose_and_restore("main-job-s3", Location::S3)
}

fn lose_and_restore(name: &str, location: Location) -> Result<()> {
    let cluster = Cluster::start(name)?;
    let bowline = Bowline::new(&cluster, "velero")?;
    bowline.install()?;
    let server = bowline.server(&[])?;
    location.create(&bowline, &server)?;
    let sample = Sample::create(&cluster)?;
    let before = sample.settled()?;

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
    bowline.ok(&backup)?;
    bowline.expect_completed("backup", "shop")?;
    sample.destroy(&before)?;
    bowline.ok(&["restore", "create", "again", "--from-backup", "shop", "--wait"])?;
    bowline.expect_completed("restore", "again")?;

    let report = sample.compare(&before)?;
    assert!(report.is_equal(), "{report}");
    server.stop()?;
    cluster.end()
}

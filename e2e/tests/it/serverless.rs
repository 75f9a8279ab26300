//! Backup and restore with nothing installed in the cluster: from a kubeconfig to a directory and back.

use anyhow::Result;
use bowline_e2e::compare::{RESTORED, Report};
use bowline_e2e::{Bowline, Cluster, Snapshot};

#[test]
fn a_namespace_is_saved_to_a_directory_and_restored_from_it() -> Result<()> {
    let cluster = Cluster::shared()?;
    let namespace = cluster.namespace("serverless")?;
    cluster.kubectl(["-n", &namespace, "create", "configmap", "a", "--from-literal=x=<&>"])?.ok()?;
    cluster.kubectl(["-n", &namespace, "create", "deployment", "web", "--image=none"])?.ok()?;
    let take = || Snapshot::take(cluster, &[&namespace], "none=none");
    let arguments = ["wait", "pod", "-l", "app=web", "--for=create", "--timeout=20s", "-n", &namespace];
    cluster.kubectl(arguments)?.ok()?;
    let before = take()?;

    let bowline = Bowline::new(cluster, "unused")?;
    let directory = cluster.dir().join(&namespace).display().to_string();
    bowline.ok(&["backup", "create", "web", "--include-namespaces", &namespace, "--to", &directory])?;
    cluster.kubectl(["delete", "namespace", &namespace, "--timeout=60s"])?.ok()?;
    bowline.ok(&["restore", "create", "--from", &directory, "--from-backup", "web"])?;

    let report = Report::compare(&before, &take()?, RESTORED);
    assert!(report.is_equal(), "{report}");
    Ok(())
}

//! The harness itself: the cluster works, and the comparison is neither blind nor impossible to satisfy.

use anyhow::Result;
use bowline_e2e::compare::{RESTORED, Report};
use bowline_e2e::{Cluster, Sample};

#[test]
fn the_cluster_runs_its_controllers() -> Result<()> {
    let cluster = Cluster::shared()?;
    let namespace = cluster.namespace("controllers")?;
    cluster.kubectl(["create", "deployment", "web", "--image=none", "-n", &namespace])?.ok()?;
    let arguments = ["wait", "pod", "-l", "app=web", "--for=create", "--timeout=20s", "-n", &namespace];
    cluster.kubectl(arguments)?.ok()?;
    cluster.kubectl(["delete", "namespace", &namespace, "--timeout=60s"])?.ok()?;
    Ok(())
}

#[test]
fn the_comparison_finds_exactly_what_was_changed_in_the_sample_application() -> Result<()> {
    let cluster = Cluster::shared()?;
    let sample = Sample::create(cluster)?;
    let before = sample.settled()?;
    assert!(before.kinds() >= 40, "the sample application has only {} kinds", before.kinds());

    for patch in [
        ["configmap", "held", "-n", "warehouse", "-p", r#"{"data":{"reason":"changed"}}"#],
        ["service", "web", "-n", "shop", "-p", r#"{"metadata":{"labels":{"velero.io/backup-name":"b"}}}"#],
    ] {
        let [kind, name, flag, namespace, patch_flag, text] = patch;
        cluster.kubectl(["patch", kind, name, flag, namespace, patch_flag, text])?.ok()?;
    }
    cluster.kubectl(["delete", "lease", "clerk-on-duty", "-n", "warehouse"])?.ok()?;

    let report = Report::compare(&before, &sample.snapshot()?, RESTORED);
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    let found = |text: &str| findings.iter().any(|finding| finding.contains(text));
    assert!(
        found(r#"ConfigMap warehouse/held .data.reason: "a finalizer that nobody serves" became "changed""#),
        "{report}"
    );
    assert!(found("Lease.coordination.k8s.io warehouse/clerk-on-duty is missing"), "{report}");
    // kubectl now owns the fields that it patched.
    let ownership = findings.iter().filter(|finding| finding.contains("managedFields")).count();
    assert_eq!(findings.len(), 2 + ownership, "{report}");
    Ok(())
}

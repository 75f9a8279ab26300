//! The sample application of `cluster/sample`: created, looked at, lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::compare::{RESTORED, Report};
use crate::{Cluster, Snapshot};

/// Every cluster-scoped object of the sample application has this label.
const CLUSTER_SCOPED: &str = "sample=shop";

/// The sample application in a cluster. A cluster can hold only one, so a test that loses it needs a cluster of its own.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    cluster: &'a Cluster,
}

impl<'a> Sample<'a> {
    /// Its namespaces.
    pub const NAMESPACES: [&'static str; 2] = ["shop", "warehouse"];

    /// Creates the application, or what is missing of it.
    pub fn create(cluster: &'a Cluster) -> Result<Self> {
        cluster.run_script("sample/apply")?;
        Ok(Self { cluster })
    }

    /// What is there of it now.
    pub fn snapshot(self) -> Result<Snapshot> {
        Snapshot::take(self.cluster, &Self::NAMESPACES, CLUSTER_SCOPED)
    }

    /// What is there as soon as the controllers have done their part and nothing moves any more.
    pub fn settled(self) -> Result<Snapshot> {
        let deadline = Instant::now() + Duration::from_mins(2);
        let mut last = self.snapshot()?;
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_secs(1));
            let next = self.snapshot()?;
            if Report::compare(&last, &next, &[]).is_equal() {
                return Ok(next);
            }
            last = next;
        }
        bail!("the sample application does not come to rest")
    }

    /// How it compares with what it was. Controllers need a moment to take restored objects over; a difference counts when it
    /// stays for half a minute.
    pub fn compare(self, before: &Snapshot) -> Result<Report> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let report = Report::compare(before, &self.snapshot()?, RESTORED);
            if report.is_equal() || Instant::now() > deadline {
                return Ok(report);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Deletes both namespaces and every cluster-scoped object of the snapshot, for good, as an administrator in a hurry would.
    pub fn destroy(self, application: &Snapshot) -> Result<()> {
        self.release_finalizers(application)?;
        let [first, second] = Self::NAMESPACES;
        self.cluster.kubectl(["delete", "namespace", first, second, "--timeout=60s"])?.ok()?;
        // Definitions last, because their objects go with them.
        let cluster_scoped =
            application.objects.keys().filter(|key| key.namespace.is_empty() && key.kind != "Namespace");
        let (definitions, others): (Vec<_>, Vec<_>) =
            cluster_scoped.partition(|key| key.kind == "CustomResourceDefinition");
        for key in others.into_iter().chain(definitions) {
            self.cluster.kubectl(["delete", &key.kind_and_group(), &key.name, "--timeout=60s"])?.ok()?;
        }
        let left: BTreeSet<_> = self.snapshot()?.objects.keys().map(ToString::to_string).collect();
        ensure!(left.is_empty(), "still there: {left:?}");
        Ok(())
    }

    /// Nobody serves the sample's finalizers; without this its namespaces would stay in deletion for ever.
    fn release_finalizers(self, application: &Snapshot) -> Result<()> {
        let held = application.objects.iter().filter(|(_, object)| {
            let finalizers = object.pointer("/metadata/finalizers").and_then(|list| list.as_array());
            finalizers.into_iter().flatten().any(|finalizer| finalizer == "shop.example/hold")
        });
        for (key, _) in held {
            let (kind, patch) = (key.kind_and_group(), r#"{"metadata":{"finalizers":null}}"#);
            let arguments = ["patch", &kind, &key.name, "-n", &key.namespace, "--type=merge", "-p", patch];
            self.cluster.kubectl(arguments)?.ok()?;
        }
        Ok(())
    }
}

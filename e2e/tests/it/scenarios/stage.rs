//! What the scenarios share: one server, and for each of them names that nobody else uses.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bowline_e2e::{Bowline, Cluster, Location, Output, Server, location};
use serde_json::{Value, json};

/// One scenario on the shared server.
pub(crate) struct Scenario {
    pub(crate) cluster: &'static Cluster,
    pub(crate) bowline: &'static Bowline<'static>,
    /// The name of its backup, and what all its other names begin with.
    pub(crate) name: String,
}

/// An installation that scenarios share. Its server ends with the cluster.
pub(crate) struct Installation {
    bowline: Bowline<'static>,
}

impl Installation {
    /// The installation of all scenarios that need no other.
    pub(crate) fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Installation>> = OnceLock::new();
        // Nobody wants to wait an hour for what is periodical.
        let often = ["--garbage-collection-frequency", "1s", "--backup-sync-period", "1s"];
        Self::started(SHARED.get_or_init(|| {
            Self::start(&often, |bowline, server| Location::Directory.create(bowline, server))
        }))
    }

    /// One that saves every version of an object (EnableAPIGroupVersions).
    pub(crate) fn with_all_versions() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Installation>> = OnceLock::new();
        let feature = ["--features", "EnableAPIGroupVersions"];
        Self::started(SHARED.get_or_init(|| {
            Self::start(&feature, |bowline, server| {
                let root = bowline.cluster().dir().join(bowline.namespace());
                std::fs::create_dir_all(root.join("bucket"))?;
                let config = format!("path={}", root.display());
                let create =
                    ["backup-location", "create", "default", "--default", "--provider", "filesystem"];
                bowline.ok(&[&create[..], &["--bucket", "bucket", "--config", &config]].concat())?;
                location::judged(bowline, server, "default").map(drop)
            })
        }))
    }

    fn started(installation: &'static Result<Self>) -> Result<&'static Self> {
        match installation {
            Ok(installation) => Ok(installation),
            Err(error) => bail!("the server of the scenarios is not usable: {error:#}"),
        }
    }

    fn start(
        flags: &[&str],
        locate: impl FnOnce(&Bowline<'static>, &Server<'static>) -> Result<()>,
    ) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let bowline = Bowline::new(cluster, &cluster.namespace("scenarios")?)?;
        bowline.install()?;
        let many = ["--concurrent-backups", "4", "--concurrent-restores", "4"];
        let server = bowline.server(&[&many[..], flags].concat())?;
        locate(&bowline, &server)?;
        server.keep();
        Ok(Self { bowline })
    }
}

impl Scenario {
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        Ok(Self::on(Installation::shared()?, purpose))
    }

    pub(crate) fn on(installation: &'static Installation, purpose: &str) -> Self {
        let bowline = &installation.bowline;
        Self { cluster: bowline.cluster(), bowline, name: format!("{purpose}-{}", std::process::id()) }
    }

    /// A name that belongs to this scenario.
    pub(crate) fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// Creates a namespace that belongs to this scenario, with a few objects: [`CONTENT`].
    pub(crate) fn namespace(&self, what: &str) -> Result<String> {
        let name = self.named(what);
        let namespaced = |kind: &str, name_of: &str, more: Value| {
            let mut object =
                json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name_of, "namespace": name}});
            if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
                object.extend(more);
            }
            object
        };
        self.apply(&[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            namespaced("ConfigMap", "settings", json!({"data": {"colour": "blue"}})),
            namespaced("Secret", "keys", json!({"stringData": {"key": "value"}})),
            namespaced("ServiceAccount", "clerk", json!({})),
        ])?;
        Ok(name)
    }

    /// Creates or changes objects.
    pub(crate) fn apply(&self, objects: &[Value]) -> Result<()> {
        self.cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
    }

    /// Makes the scenario's backup with further flags, which must complete.
    pub(crate) fn back_up(&self, flags: &[&str]) -> Result<()> {
        let create = ["backup", "create", &self.name, "--wait"];
        self.bowline.ok(&[&create[..], flags].concat())?;
        self.bowline.expect_completed("backup", &self.name)
    }

    /// Restores the scenario's backup with further flags, and gives what the program said. The restore's name is that of the
    /// scenario and `attempt`.
    pub(crate) fn try_restore(&self, attempt: &str, flags: &[&str]) -> Result<Output> {
        let name = self.named(attempt);
        let create = ["restore", "create", &name, "--from-backup", &self.name, "--wait"];
        self.bowline.run(&[&create[..], flags].concat())
    }

    /// Restores the scenario's backup with further flags, which must complete.
    pub(crate) fn restore(&self, attempt: &str, flags: &[&str]) -> Result<()> {
        self.try_restore(attempt, flags)?.ok()?;
        self.bowline.expect_completed("restore", &self.named(attempt))
    }

    /// The phase in which a restore of this scenario ended.
    pub(crate) fn phase(&self, attempt: &str) -> Result<String> {
        let restore = self.bowline.object("restore", &self.named(attempt))?;
        Ok(restore["status"]["phase"].as_str().unwrap_or_default().to_owned())
    }

    /// What is in a namespace, of the kinds in [`CONTENT`], without what Kubernetes puts into each: `configmap/settings`.
    pub(crate) fn content(&self, namespace: &str) -> Result<BTreeSet<String>> {
        let kinds = "configmaps,secrets,serviceaccounts";
        let mut names = self.names(&["-n", namespace, kinds])?;
        names.retain(|name| name != "configmap/kube-root-ca.crt" && name != "serviceaccount/default");
        Ok(names)
    }

    /// The names, with their kinds, of what `kubectl get` finds.
    pub(crate) fn names(&self, what: &[&str]) -> Result<BTreeSet<String>> {
        let get = [&["get", "-o", "name"], what].concat();
        Ok(self.cluster.kubectl_reading(&get, "")?.ok()?.lines().map(ToOwned::to_owned).collect())
    }

    /// Waits until a definition can be used. (`kubectl wait` fails where there are no conditions yet.)
    pub(crate) fn await_definition(&self, name: &str) -> Result<()> {
        eventually(&format!("{name} is established"), || {
            let definition = self.cluster.get(&["crd", name])?;
            let mut conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
            Ok(conditions
                .any(|condition| condition["type"] == "Established" && condition["status"] == "True"))
        })
    }

    /// Whether there is such an object: `exists(&["namespace", "shop"])`.
    pub(crate) fn exists(&self, what: &[&str]) -> Result<bool> {
        Ok(!self.names(&[what, &["--ignore-not-found"]].concat())?.is_empty())
    }

    /// Deletes objects and waits until they are gone.
    pub(crate) fn delete(&self, what: &[&str]) -> Result<()> {
        let delete = [&["delete", "--timeout=60s"], what].concat();
        self.cluster.kubectl_reading(&delete, "")?.ok().map(drop)
    }

    /// The paths in a backup, in their order.
    pub(crate) fn archive(&self, backup: &str) -> Result<Vec<String>> {
        let file = self.cluster.dir().join(format!("{backup}.tar.gz")).display().to_string();
        self.bowline.ok(&["backup", "download", backup, "--output", &file])?;
        let listed = self.bowline.shell(&format!("tar -tzf {file}"))?.ok()?;
        Ok(listed.lines().map(ToOwned::to_owned).collect())
    }

    /// Where the backups of the shared server are.
    pub(crate) fn bucket(&self) -> Result<PathBuf> {
        Ok(PathBuf::from(Location::Directory.place(self.cluster)?).join("bowline"))
    }
}

/// What [`Scenario::namespace`] puts into a namespace, as [`Scenario::content`] says it.
pub(crate) const CONTENT: [&str; 3] = ["configmap/settings", "secret/keys", "serviceaccount/clerk"];

/// A set of names, to compare with.
pub(crate) fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(ToOwned::to_owned).into()
}

/// Waits until something is true, for at most half a minute.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().with_context(|| format!("look whether {what}"))? {
        ensure!(Instant::now() < deadline, "after half a minute it is still not so that {what}");
        std::thread::sleep(Duration::from_millis(300));
    }
    Ok(())
}

//! Servers that are killed at random moments while backups, restores, deletions and a schedule run, above a store in changing weather.
//! Afterwards everything has ended, what ended well is whole, and nothing is left over.
//!
//! `SOAK_KILLS` says how many kills (a few as an ordinary test, hundreds in `make soak`), `SEED` repeats a run.

mod bucket;
mod chance;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bowline_e2e::{Bowline, Cluster, Proxy, Server, Weather, location, settings};
use serde_json::{Value, json};

use crate::files;
use bucket::Bucket;
use chance::Chance;

const KILLS: u64 = 10;
const OBJECTS: u64 = 6;
const OBJECT_BYTES: usize = 60_000;
/// How long a server lives at most before it is killed, in milliseconds: one that works alone, and one of two, which may have to wait
/// for the Lease of a dead one.
const LIFE: [u64; 2] = [4000, 20_000];
/// What everything may take to come to its end when nobody is killed any more.
const LIMIT: Duration = Duration::from_mins(4);
const SERVERS: [&str; 2] = ["one", "two"];

/// Everything that goes on.
struct Soak<'a> {
    bowline: Bowline<'a>,
    proxy: Proxy,
    bucket: Bucket,
    application: String,
    chance: Chance,
    servers: [Option<Server<'a>>; 2],
    /// How many of them there are: at first one without a Lease, later two.
    replicas: usize,
    kills: u64,
    backups: u64,
    restores: u64,
    deletions: BTreeSet<String>,
}

#[test]
fn servers_may_be_killed_at_any_moment_above_a_store_in_any_weather() -> Result<()> {
    let kills = settings::soak_kills().unwrap_or(KILLS);
    let seed = settings::seed().unwrap_or_else(|| u64::from(std::process::id()));
    let start = Instant::now();
    let mut soak = Soak::prepare(seed)?;
    while soak.kills < kills {
        soak.replicas = if soak.kills * 10 < kills * 7 { 1 } else { 2 };
        soak.act()?;
        soak.live_and_die()?;
    }
    soak.calm_down()?;
    let figures = soak.check().with_context(|| format!("SEED={seed} SOAK_KILLS={kills}"))?;
    println!("soak: seed {seed}, {kills} kills in {:?}: {figures}", start.elapsed());
    Ok(())
}

impl Soak<'_> {
    /// A namespace of its own, an application to save, a location behind the proxy, a schedule.
    fn prepare(seed: u64) -> Result<Soak<'static>> {
        let cluster = Cluster::shared()?;
        let bowline = Bowline::new(cluster, &cluster.namespace("soak")?)?;
        bowline.ok(&["install", "--crds-only"])?;
        let application = cluster.namespace("soaked")?;
        files::fill_namespace(cluster, &application, OBJECTS, OBJECT_BYTES)?;
        let url = cluster.setting("BOWLINE_S3_URL")?;
        let proxy = Proxy::before(url.trim_start_matches("http://").trim_end_matches('/'))?;
        let prefix = bowline.namespace().to_owned();
        location::create_credentials(
            &bowline,
            "cloud-credentials",
            cluster.setting("AWS_SECRET_ACCESS_KEY")?,
        )?;
        let mut soak = Soak {
            bucket: Bucket::open(cluster, &prefix)?,
            bowline,
            proxy,
            application,
            chance: Chance::new(seed),
            servers: [None, None],
            replicas: 1,
            kills: 0,
            backups: 0,
            restores: 0,
            deletions: BTreeSet::new(),
        };
        soak.start()?;
        let config = location::s3_config(cluster)?.replace(url, &format!("http://{}", soak.proxy.address()));
        let bucket = cluster.setting("BOWLINE_S3_BUCKET")?;
        let create =
            ["backup-location", "create", "default", "--default", "--provider", "aws", "--bucket", bucket];
        let credential =
            ["--prefix", &prefix, "--config", &config, "--credential", "cloud-credentials=cloud"];
        soak.bowline.ok(&[&create[..], &credential].concat())?;
        let server = soak.servers[0].as_ref().context("a server runs")?;
        let judged = location::judged(&soak.bowline, server, "default")?;
        ensure!(judged["status"]["phase"] == "Available", "{}", judged["status"]);
        let template = json!({"includedNamespaces": [soak.application]});
        soak.create("Schedule", "minutely", &json!({"schedule": "* * * * *", "template": template}))?;
        Ok(soak)
    }

    fn create(&self, kind: &str, name: &str, spec: &Value) -> Result<()> {
        let metadata = json!({"name": name, "namespace": self.bowline.namespace()});
        let object = json!({"apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata, "spec": spec});
        self.bowline.cluster().apply(&object.to_string())
    }

    /// Starts the servers that don't run.
    fn start(&mut self) -> Result<()> {
        let flags: &[&str] = if self.replicas == 1 { &[] } else { &["--leader-elect=true"] };
        let servers = self.servers.iter_mut().zip(SERVERS).take(self.replicas);
        for (server, name) in servers.filter(|(server, _)| server.is_none()) {
            *server = Some(self.bowline.server_named(name, flags)?);
        }
        Ok(())
    }

    /// Asks for something, and changes the weather.
    fn act(&mut self) -> Result<()> {
        self.start()?;
        match self.chance.below(6) {
            0 | 1 => self.back_up()?,
            2 => self.restore()?,
            3 => self.delete()?,
            _ => {}
        }
        let weather = match self.chance.below(8) {
            0 => Weather::Slow(Duration::from_millis(self.chance.below(200))),
            1 => Weather::Torn(usize::try_from(self.chance.below(200_000))?),
            2 => Weather::Overloaded,
            3 => Weather::Full,
            _ => Weather::Calm,
        };
        self.proxy.set(weather);
        Ok(())
    }

    fn back_up(&mut self) -> Result<()> {
        self.backups += 1;
        let name = format!("b-{}", self.backups);
        self.create("Backup", &name, &json!({"includedNamespaces": [self.application]}))
    }

    fn restore(&mut self) -> Result<()> {
        let Some(backup) = self.any_completed()? else { return self.back_up() };
        self.restores += 1;
        let name = format!("r-{}", self.restores);
        let mapping = json!({self.application.as_str(): self.restored(&name)});
        self.create("Restore", &name, &json!({"backupName": backup, "namespaceMapping": mapping}))
    }

    /// Where a restore goes.
    fn restored(&self, restore: &str) -> String {
        format!("{}-{restore}", self.application)
    }

    fn delete(&mut self) -> Result<()> {
        let Some(backup) = self.any_completed()? else { return self.back_up() };
        // Who restores it would rightly fail.
        let restored =
            self.all("restores")?.iter().any(|restore| restore["spec"]["backupName"] == backup.as_str());
        if restored {
            return self.back_up();
        }
        self.create("DeleteBackupRequest", &backup, &json!({"backupName": backup}))?;
        self.deletions.insert(backup);
        Ok(())
    }

    fn any_completed(&mut self) -> Result<Option<String>> {
        let backups = self.all("backups")?;
        let completed = backups.iter().filter(|backup| backup["status"]["phase"] == "Completed").map(name);
        let free: Vec<_> = completed.filter(|backup| !self.deletions.contains(backup)).collect();
        Ok(self.chance.pick(&free).cloned())
    }

    fn all(&self, resource: &str) -> Result<Vec<Value>> {
        let resource = format!("{resource}.velero.io");
        let list = self.bowline.cluster().get(&["-n", self.bowline.namespace(), &resource])?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Lets the servers work for a moment and kills one of them, or both.
    fn live_and_die(&mut self) -> Result<()> {
        std::thread::sleep(Duration::from_millis(self.chance.below(LIFE[self.replicas - 1])));
        // Where there is one, the next ones may be two.
        let first = if self.replicas == 1 { 0 } else { usize::try_from(self.chance.below(2))? };
        let both = self.replicas == 1 || self.chance.below(4) == 0;
        for index in [first, 1 - first].into_iter().take(if both { 2 } else { 1 }) {
            let Some(server) = self.servers[index].take() else { continue };
            server.ensure_running()?;
            server.kill()?;
            self.kills += 1;
        }
        Ok(())
    }

    /// Calm weather and living servers, until nothing goes on any more.
    fn calm_down(&mut self) -> Result<()> {
        self.proxy.set(Weather::Calm);
        self.start()?;
        let namespace = self.bowline.namespace();
        let pause = r#"{"spec":{"paused":true}}"#;
        let patch =
            ["-n", namespace, "patch", "schedules.velero.io", "minutely", "--type=merge", "-p", pause];
        self.bowline.cluster().kubectl(patch)?.ok()?;
        let deadline = Instant::now() + LIMIT;
        loop {
            self.ask_again()?;
            let open = self.open()?;
            if open.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = self.servers[0].as_ref().map(Server::log).transpose()?.unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(20).collect();
                bail!("still open after {LIMIT:?}: {open:#?}\n{}", last.join("\n"));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Deletions that the weather has spoiled are asked for again, as a user would.
    fn ask_again(&self) -> Result<()> {
        for request in self.all("deletebackuprequests")? {
            if request["status"]["phase"] == "Processed" && request["status"]["errors"].is_array() {
                let name = name(&request);
                let delete =
                    ["delete", "-n", self.bowline.namespace(), "deletebackuprequests.velero.io", &name];
                self.bowline.cluster().kubectl(delete)?.ok()?;
                self.create("DeleteBackupRequest", &name, &request["spec"])?;
            }
        }
        Ok(())
    }

    /// What has not ended.
    fn open(&self) -> Result<Vec<String>> {
        let mut open = Vec::new();
        for resource in ["backups", "restores"] {
            for object in self.all(resource)? {
                let ended = ["Completed", "PartiallyFailed", "Failed", "FailedValidation"];
                if !ended.iter().any(|phase| object["status"]["phase"] == *phase) {
                    open.push(format!("{resource} {}: {}", name(&object), object["status"]));
                }
            }
        }
        let requests = self.all("deletebackuprequests")?;
        open.extend(
            requests.iter().map(|request| format!("deletion {}: {}", name(request), request["status"])),
        );
        Ok(open)
    }

    /// Holds what is there to what must be; gives the figures of the run.
    fn check(&self) -> Result<String> {
        let backups = self.all("backups")?;
        let (mut completed, mut redone) = (BTreeSet::new(), 0);
        let mut failed = Vec::new();
        for backup in &backups {
            let name = name(backup);
            ensure!(!self.deletions.contains(&name), "{name} was deleted and is there");
            redone += attempts(backup).saturating_sub(1);
            match backup["status"]["phase"].as_str() {
                Some("Completed") => drop(completed.insert(name)),
                Some("Failed") if backup["status"]["failureReason"].is_string() => failed.push(name),
                Some("FailedValidation") if unavailable(backup) => failed.push(name),
                _ => bail!("{name} has not ended well: {}", backup["status"]),
            }
        }
        self.bucket.check(&completed, &failed.iter().cloned().collect(), &self.deletions)?;
        Self::check_schedule(&backups)?;
        let restores = self.check_restores()?;
        redone +=
            self.all("restores")?.iter().map(|restore| attempts(restore).saturating_sub(1)).sum::<u64>();
        Ok(format!(
            "{} backups completed and whole, {} failed with a reason, {} deleted; {restores}; {redone} runs done again; \
             {} requests struck by the weather",
            completed.len(),
            failed.len(),
            self.deletions.len(),
            self.proxy.struck(),
        ))
    }

    /// No minute has two backups.
    fn check_schedule(backups: &[Value]) -> Result<()> {
        let scheduled = backups
            .iter()
            .filter(|backup| backup["metadata"]["labels"]["velero.io/schedule-name"] == "minutely");
        let mut minutes = BTreeSet::new();
        for backup in scheduled {
            let created = backup["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
            let minute = created.get(..16).unwrap_or_default().to_owned();
            ensure!(minutes.insert(minute), "two scheduled backups in one minute: {}", name(backup));
        }
        Ok(())
    }

    /// What was restored is what was saved.
    fn check_restores(&self) -> Result<String> {
        let (mut whole, mut failed) = (0, 0);
        for restore in self.all("restores")? {
            let name = name(&restore);
            match restore["status"]["phase"].as_str() {
                Some("Completed") => {}
                Some("Failed" | "FailedValidation" | "PartiallyFailed") => {
                    failed += 1;
                    continue;
                }
                _ => bail!("{name} has not ended well: {}", restore["status"]),
            }
            let list = self.bowline.cluster().get(&["-n", &self.restored(&name), "configmaps"])?;
            let maps = list["items"].as_array().cloned().unwrap_or_default();
            for number in 0..OBJECTS {
                let filler = format!("filler-{number}");
                let map = maps.iter().find(|map| map["metadata"]["name"] == filler.as_str());
                let map = map.with_context(|| format!("{filler} is missing in what {name} restored"))?;
                ensure!(
                    map["data"]["noise"] == files::noise(number, OBJECT_BYTES),
                    "{filler} is not what it was"
                );
            }
            whole += 1;
        }
        Ok(format!("{whole} restores completed and compared, {failed} failed"))
    }
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn attempts(object: &Value) -> u64 {
    let attempts = object["metadata"]["annotations"]["bowline.io/attempts"].as_str();
    let attempts = attempts.and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
    attempts.map_or(0, |attempts| attempts.len() as u64)
}

/// Refused because the weather had made the location unavailable.
fn unavailable(backup: &Value) -> bool {
    backup["status"]["validationErrors"].to_string().contains("unavailable")
}

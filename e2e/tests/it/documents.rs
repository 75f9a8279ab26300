//! The commands in the user's documents work: every `sh` block is run in the order of its page, every `yaml` block is sent to the
//! API server as a dry run. A block that cannot run here says `sh skip` on its page.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use bowline_e2e::{Bowline, Cluster, settings};

/// What must be there before the first block of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing: the page makes its application itself.
    Nothing,
    /// The application of `testdata/documents/application.yaml`.
    Application,
    /// The application and a backup of it, named `first`.
    Backup,
}

const PAGES: [(&str, Before); 11] = [
    ("getting-started.md", Before::Nothing),
    ("s3.md", Before::Nothing),
    ("disaster-recovery.md", Before::Application),
    ("schedules.md", Before::Application),
    ("filters.md", Before::Application),
    ("hooks.md", Before::Application),
    ("resource-policies.md", Before::Application),
    ("resource-modifiers.md", Before::Application),
    ("troubleshooting.md", Before::Backup),
    ("metrics.md", Before::Nothing),
    ("migration.md", Before::Application),
];

#[test]
fn every_command_in_the_documents_works() -> Result<()> {
    let cluster = Cluster::start("documents")?;
    let other = Cluster::start("documents-new")?;
    let desk = Desk::set_up(&cluster, &other)?;
    desk.bowline.install()?;
    let server = desk.bowline.server(&[])?;
    desk.create_location()?;

    let mut failures = Vec::new();
    for (page, before) in PAGES {
        desk.prepare(before).with_context(|| format!("prepare for {page}"))?;
        if let Err(error) = desk.follow(page) {
            failures.push(format!("{page}: {error:#}"));
        }
        server.ensure_running()?;
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    Ok(())
}

#[test]
fn no_page_of_the_documents_is_left_out() -> Result<()> {
    for entry in fs::read_dir(documents())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let has_commands = blocks(&fs::read_to_string(&path)?)?.iter().any(|block| !block.skipped);
        let is_run = PAGES.iter().any(|(page, _)| *page == name);
        ensure!(is_run || !has_commands, "{name} has commands that no test runs; add it to PAGES");
    }
    Ok(())
}

/// The reader's place of work: a folder, the programs, and a kubeconfig of two clusters.
struct Desk<'a> {
    bowline: Bowline<'a>,
    folder: PathBuf,
}

impl<'a> Desk<'a> {
    fn set_up(cluster: &'a Cluster, other: &Cluster) -> Result<Self> {
        let bowline = Bowline::new(cluster, "velero")?;
        let folder = cluster.dir().join("desk");
        fs::create_dir_all(folder.join("bin"))?;
        std::os::unix::fs::symlink(bowline.program(), folder.join("bin/bowline"))?;
        let programs = format!("{}/bin:{}", folder.display(), cluster.setting("BOWLINE_CLUSTER_BIN")?);
        let bowline = bowline
            .with_environment("PATH", &format!("{programs}:{}", settings::search_path()))
            .with_environment("BUCKET", cluster.setting("BOWLINE_S3_BUCKET")?)
            .with_environment("S3_URL", cluster.setting("BOWLINE_S3_URL")?)
            .with_environment("S3_KEY", cluster.setting("AWS_ACCESS_KEY_ID")?)
            .with_environment("S3_SECRET", cluster.setting("AWS_SECRET_ACCESS_KEY")?);
        let desk = Self { bowline, folder };
        let kubeconfig = desk.write_kubeconfig(cluster, other)?;
        let bowline = desk.bowline.with_environment("KUBECONFIG", &kubeconfig);
        Ok(Self { bowline, folder: desk.folder })
    }

    /// A kubeconfig with the contexts `old` (the current one) and `new`.
    fn write_kubeconfig(&self, old: &Cluster, new: &Cluster) -> Result<String> {
        for (name, cluster) in [("old", old), ("new", new)] {
            let text = fs::read_to_string(cluster.setting("KUBECONFIG")?)?;
            // The two files use the same names for their cluster, context and user.
            let text =
                text.replace(": bowline", &format!(": {name}")).replace(": admin", &format!(": {name}"));
            fs::write(self.folder.join(format!("kubeconfig-{name}")), text)?;
        }
        self.sh("KUBECONFIG=kubeconfig-old:kubeconfig-new kubectl config view --flatten >kubeconfig")?;
        Ok(self.folder.join("kubeconfig").display().to_string())
    }

    fn create_location(&self) -> Result<()> {
        let place = self.folder.display();
        let settings = format!("--provider filesystem --bucket store --config path={place} --default");
        self.sh(&format!("bowline backup-location create default {settings}"))?;
        let available = "--for=jsonpath={.status.phase}=Available --timeout=60s";
        self.sh(&format!("kubectl -n velero wait backupstoragelocations.velero.io default {available}"))
            .map(drop)
    }

    fn prepare(&self, before: Before) -> Result<()> {
        self.sh("kubectl delete namespace web db team-one --ignore-not-found --timeout=60s")?;
        if before == Before::Nothing {
            return Ok(());
        }
        self.bowline.cluster().apply(include_str!("../../testdata/documents/application.yaml"))?;
        if before == Before::Backup {
            self.sh("bowline backup create first --include-namespaces web --wait")?;
        }
        Ok(())
    }

    /// Does what a page says.
    fn follow(&self, page: &str) -> Result<()> {
        for block in
            blocks(&fs::read_to_string(documents().join(page))?)?.iter().filter(|block| !block.skipped)
        {
            self.do_block(block).with_context(|| format!("the block at line {}", block.line))?;
        }
        Ok(())
    }

    fn do_block(&self, block: &Block) -> Result<()> {
        if block.language == "sh" {
            return self.sh(&block.text).map(drop);
        }
        fs::write(self.folder.join("object.yaml"), &block.text)?;
        self.sh("kubectl apply --dry-run=server --validate=strict -f object.yaml").map(drop)
    }

    /// Runs a script in the reader's folder; it fails at its first command that fails.
    fn sh(&self, script: &str) -> Result<String> {
        self.bowline.shell(&format!("set -eu\ncd '{}'\n{script}", self.folder.display()))?.ok()
    }
}

fn documents() -> PathBuf {
    settings::checkout().join("docs")
}

/// A fenced block of a page.
struct Block {
    line: usize,
    language: String,
    skipped: bool,
    text: String,
}

/// The fenced blocks of a page, in order.
fn blocks(page: &str) -> Result<Vec<Block>> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(mark), None) => {
                let mut words = mark.split_whitespace();
                let language = words.next().unwrap_or_default().to_owned();
                let skipped = words.next() == Some("skip") || !matches!(language.as_str(), "sh" | "yaml");
                open = Some(Block { line: index + 1, language, skipped, text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    match open {
        Some(block) => bail!("the block at line {} is never closed", block.line),
        None => Ok(found),
    }
}

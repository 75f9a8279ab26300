//! Completion in the real shells: each takes the script of the program, and completes the name of an object of the cluster.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bowline_e2e::{Bowline, Cluster, Output, settings};
use serde_json::json;

/// A backup with a name that nobody types out.
const BACKUP: &str = "weekly-of-the-web-shop";

/// Whether a shell is there, or could be installed; else says why not.
fn is_there(shell: &str) -> Result<bool> {
    let packages = settings::checkout().join("cluster/tools/packages");
    let asked = Command::new(packages).arg(format!("{shell}={shell}")).output();
    let there = asked.context("start cluster/tools/packages")?.status.success();
    if !there {
        // Nobody may be listening; that is no reason to fail.
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: completion in {shell}, because it is not installed and can't be"
        );
    }
    Ok(there)
}

/// The program in a folder of its own on the search path, on a cluster with one backup.
struct Desk {
    bowline: Bowline<'static>,
    folder: PathBuf,
}

impl Desk {
    fn set_up(shell: &str) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let namespace = cluster.namespace(shell)?;
        let bowline = Bowline::new(cluster, &namespace)?;
        bowline.install()?;
        let backup = json!({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": BACKUP, "namespace": namespace}, "spec": {}});
        cluster.apply(&backup.to_string())?;
        let folder = cluster.dir().join(&namespace);
        std::fs::create_dir_all(&folder)?;
        std::os::unix::fs::symlink(bowline.program(), folder.join("bowline"))?;
        let path = format!("{}:{}", folder.display(), settings::search_path());
        let bowline =
            bowline.with_environment("PATH", &path).with_environment("VELERO_NAMESPACE", &namespace);
        std::fs::write(folder.join("script"), bowline.ok(&["completion", shell])?)?;
        Ok(Self { bowline, folder })
    }

    /// Types into an interactive shell, and gives all that it shows.
    fn type_into(&self, shell: &str, keys: &str) -> Result<Output> {
        std::fs::write(self.folder.join("keys"), keys)?;
        let folder = self.folder.display();
        self.bowline.shell(&format!(
            "cd '{folder}' && TERM=dumb HOME='{folder}' script --quiet --command '{shell}' /dev/null <keys"
        ))
    }
}

/// The word and the tab, then a line that prints the completed one: `TAB`, to the beginning of the line (`Ctrl-A`), `echo`, Enter.
fn typed() -> String {
    let begun = &BACKUP[..5];
    format!("bowline backup describe {begun}\t\x01echo completed: \nexit\n")
}

fn is_completed(shown: &Output) -> Result<()> {
    let expected = format!("completed: bowline backup describe {BACKUP}");
    let lines = shown.stdout.lines().map(str::trim);
    ensure!(lines.into_iter().any(|line| line.starts_with(&expected)), "{shown:#?}");
    Ok(())
}

#[test]
fn bash_completes_the_name_of_a_backup() -> Result<()> {
    let desk = Desk::set_up("bash")?;
    desk.bowline.shell(&format!("bash -n '{}/script'", desk.folder.display()))?.ok()?;
    let keys = format!("source ./script\n{}", typed());
    is_completed(&desk.type_into("bash --norc --noprofile -i", &keys)?)
}

#[test]
fn zsh_completes_the_name_of_a_backup() -> Result<()> {
    if !is_there("zsh")? {
        return Ok(());
    }
    let desk = Desk::set_up("zsh")?;
    desk.bowline.shell(&format!("zsh -f -n '{}/script'", desk.folder.display()))?.ok()?;
    let keys = format!("autoload -Uz compinit && compinit -u -D; source ./script\n{}", typed());
    is_completed(&desk.type_into("zsh -f -i", &keys)?)?;

    // Installed as the help says, as a file of the function path.
    std::fs::create_dir_all(desk.folder.join("functions"))?;
    std::fs::copy(desk.folder.join("script"), desk.folder.join("functions/_bowline"))?;
    let keys = format!("fpath=($PWD/functions $fpath); autoload -Uz compinit && compinit -u -D\n{}", typed());
    is_completed(&desk.type_into("zsh -f -i", &keys)?)
}

#[test]
fn fish_completes_the_name_of_a_backup() -> Result<()> {
    if !is_there("fish")? {
        return Ok(());
    }
    let desk = Desk::set_up("fish")?;
    let script = desk.folder.join("script").display().to_string();
    desk.bowline.shell(&format!("fish --no-config --no-execute '{script}'"))?.ok()?;
    let ask = |line: &str| {
        let ask = format!("fish --no-config --command 'source {script}; complete --do-complete \"{line}\"'");
        desk.bowline.shell(&format!("HOME='{}' {ask}", desk.folder.display()))?.ok()
    };
    let names = ask("bowline backup describe we")?;
    ensure!(names.lines().any(|line| line.trim() == BACKUP), "{names}");
    let commands = ask("bowline backup de")?;
    ensure!(commands.contains("describe\tDescribe backups") && !commands.contains("create"), "{commands}");
    let flags = ask("bowline backup create x --include-namesp")?;
    ensure!(flags.contains("--include-namespaces"), "{flags}");
    Ok(())
}

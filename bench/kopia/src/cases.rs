//! The cases, each beside its floor and the other programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::Sizes;
use crate::measure::{self, Cost};
use crate::report::{Amount, Case, header, say};
use crate::synthetic::random;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SMALL: u64 = 100;
const LARGE_FILES: u64 = 4;
/// The name of a case over a store that is far away.
const FAR: &str = "  … each request 50 ms later";

/// Runs all cases.
pub(crate) fn run(sizes: &Sizes) -> Result<()> {
    let work = match &sizes.work {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let bench = Bench { work: work.path().to_owned(), program: std::env::current_exe()? };
    let wanted = |name: &str| name.contains(&sizes.only);
    if wanted("chain") {
        bench.command(&["chain"]).status()?;
        say("");
    }
    header();
    if wanted("small files") {
        bench.small_files(sizes)?;
    }
    if wanted("large files") {
        bench.large_files(sizes)?;
    }
    if wanted("synthetic small") && sizes.synthetic_files > 0 {
        bench.synthetic_small(sizes.synthetic_files)?;
    }
    if wanted("synthetic wide") && sizes.synthetic_wide > 0 {
        bench.synthetic_wide(sizes.synthetic_wide)?;
    }
    if wanted("synthetic large") && sizes.synthetic_gib > 0 {
        bench.synthetic_large(sizes.synthetic_gib)?;
    }
    Ok(())
}

struct Bench {
    work: PathBuf,
    program: PathBuf,
}

/// A program that backs up to a repository of its own.
struct Rival {
    name: &'static str,
    /// Shell commands; `$TREE`, `$REPO` and `$TARGET` are set.
    create: &'static str,
    backup: &'static str,
    restore: &'static str,
}

const RIVALS: [Rival; 2] = [
    Rival {
        name: "restic",
        create: "restic init -q -r $REPO --cache-dir $REPO.cache",
        backup: "restic backup -q -r $REPO --cache-dir $REPO.cache $TREE",
        restore: "restic restore -q -r $REPO --cache-dir $REPO.cache latest --target $TARGET",
    },
    Rival {
        name: "kopia",
        create: "kopia repository create filesystem --path $REPO --cache-directory $REPO.cache",
        backup: "kopia snapshot create --no-progress $TREE",
        restore: "kopia snapshot restore --no-progress $(kopia snapshot list --json $TREE | \
                  sed -n 's/.*\"id\":\"\\([0-9a-f]*\\)\".*/\\1/p' | tail -n 1) $TARGET",
    },
];

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        command
    }

    fn step(&self, arguments: &[&str]) -> Result<Cost> {
        measure::run(&mut self.command(arguments))
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn shell(&self, script: &str, tree: &str, repository: &str) -> Result<Cost> {
        self.shell_into(script, tree, repository, "target")
    }

    fn shell_into(&self, script: &str, tree: &str, repository: &str, target: &str) -> Result<Cost> {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", script]).envs([
            ("TREE", self.text(tree)),
            ("REPO", self.text(repository)),
            ("TARGET", self.text(target)),
            ("RESTIC_PASSWORD", "benchmark".to_owned()),
            ("KOPIA_PASSWORD", "benchmark".to_owned()),
            ("KOPIA_CONFIG_PATH", self.text(&format!("{repository}.config"))),
            ("KOPIA_CHECK_FOR_UPDATES", "false".to_owned()),
        ]);
        measure::run(&mut command)
    }

    fn forget(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        if path.exists() { Ok(fs_err::remove_dir_all(path)?) } else { Ok(()) }
    }

    fn small_files(&self, sizes: &Sizes) -> Result<()> {
        plant_small(&self.path("tree"), sizes.files, sizes.folders)?;
        self.shell("find $TREE -type f -exec cat {} + > /dev/null", "tree", "")?;
        let amount = Amount::Files(sizes.files);
        self.compare(
            "small files",
            "tree",
            amount,
            "find $TREE -printf '%p %s %T@ %m %U %G\\n' > /dev/null",
        )?;
        self.forget("tree")
    }

    fn large_files(&self, sizes: &Sizes) -> Result<()> {
        plant_large(&self.path("large"), sizes.large_mib * MIB)?;
        let amount = Amount::Bytes(LARGE_FILES * sizes.large_mib * MIB);
        self.compare(
            "large files",
            "large",
            amount,
            "find $TREE -printf '%p %s %T@ %m %U %G\\n' > /dev/null",
        )?;
        self.forget("large")
    }

    /// First backup, unchanged backup and restore of a tree, by everybody.
    fn compare(&self, what: &str, tree: &str, amount: Amount, find: &str) -> Result<()> {
        let (ours, folder) = (self.text("ours"), self.text(tree));
        let rivals: Vec<&Rival> = RIVALS.iter().filter(|rival| is_there(rival.name)).collect();
        self.step(&["create", &ours])?;
        let name = format!("{what}: first backup");
        let mut case = Case::new(&name, amount);
        case.floor("tar", self.shell("tar -C $TREE -cf - . | cat > /dev/null", tree, "")?);
        case.show("bowline", self.step(&["upload", &ours, &folder])?);
        let far = self.text("far");
        self.step(&["create", &far])?;
        Case::new(FAR, amount).show("bowline", self.step(&["upload", &far, &folder, "--latency", "50"])?);
        self.forget("far")?;
        for rival in &rivals {
            self.shell(rival.create, tree, rival.name)?;
            case.show(rival.name, self.shell(rival.backup, tree, rival.name)?);
        }
        let name = format!("{what}: unchanged");
        let mut case = Case::new(&name, amount);
        case.floor("find", self.shell(find, tree, "")?);
        case.show("bowline", self.step(&["upload", &ours, &folder])?);
        for rival in &rivals {
            case.show(rival.name, self.shell(rival.backup, tree, rival.name)?);
        }
        self.compare_restores(what, tree, amount, &rivals)
    }

    /// A restore by everybody, each into a folder of its own: on some file systems, making files is many times slower for
    /// minutes after others were removed.
    fn compare_restores(&self, what: &str, tree: &str, amount: Amount, rivals: &[&Rival]) -> Result<()> {
        let ours = self.text("ours");
        let name = format!("{what}: restore");
        let mut case = Case::new(&name, amount);
        case.floor("cp", self.shell_into("cp -a $TREE $TARGET", tree, "", "cp.target")?);
        case.show("bowline", self.step(&["restore", &ours, &self.text("ours.target")])?);
        let far = Case::new(FAR, amount);
        far.show("bowline", self.step(&["restore", &ours, &self.text("far.target"), "--latency", "50"])?);
        for rival in rivals {
            let target = format!("{}.target", rival.name);
            case.show(rival.name, self.shell_into(rival.restore, tree, rival.name, &target)?);
            self.forget(&target)?;
            self.forget(rival.name)?;
        }
        ["cp.target", "ours.target", "far.target", "ours"].iter().try_for_each(|name| self.forget(name))
    }

    fn synthetic_small(&self, files: u64) -> Result<()> {
        let (ours, target) = (self.text("ours"), self.text("target"));
        self.step(&["create", &ours])?;
        let (folders, size) = ((files / 10).to_string(), SMALL.to_string());
        let case = Case::new("synthetic small: first backup", Amount::Files(files));
        let tree = ["upload-synthetic", &ours, &folders, "10", &size, &size];
        case.show("bowline", self.step(&tree)?);
        let case = Case::new("synthetic small: restore", Amount::Files(files));
        case.show("bowline", self.step(&["restore", &ours, &target])?);
        self.forget("target")?;
        self.forget("ours")
    }

    /// One folder, whose listing alone is longer than the memory. Restored files are removed at once.
    fn synthetic_wide(&self, files: u64) -> Result<()> {
        let (ours, target) = (self.text("ours"), self.text("target"));
        self.step(&["create", &ours])?;
        let (count, size) = (files.to_string(), SMALL.to_string());
        let case = Case::new("synthetic wide: first backup", Amount::Files(files));
        let tree = ["upload-synthetic", &ours, "1", &count, &size, &size];
        case.show("bowline", self.step(&tree)?);
        let case = Case::new("synthetic wide: unchanged", Amount::Files(files));
        case.show("bowline", self.step(&tree)?);
        let case = Case::new("synthetic wide: restore", Amount::Files(files));
        case.show("bowline", self.step(&["restore", &ours, &target, "--forget"])?);
        self.forget("target")?;
        self.forget("ours")
    }

    fn synthetic_large(&self, gib: u64) -> Result<()> {
        let ours = self.text("ours");
        let size = (gib * GIB / LARGE_FILES).to_string();
        let amount = Amount::Bytes(gib * GIB);
        self.step(&["create", &ours])?;
        let case = Case::new("synthetic large: first backup", amount);
        let files = LARGE_FILES.to_string();
        let tree = ["upload-synthetic", &ours, "1", &files, &size, &size, "--forget"];
        case.show("bowline", self.step(&tree)?);
        self.forget("ours")?;
        self.step(&["create", &ours])?;
        // Files that repeat themselves fit on the disk, and restoring them is the same work.
        let period = (GIB / LARGE_FILES).to_string();
        let case = Case::new("synthetic large: backup of repeated data", amount);
        case.show("bowline", self.step(&["upload-synthetic", &ours, "1", &files, &size, &period])?);
        let case = Case::new("synthetic large: read all", amount);
        case.show("bowline", self.step(&["restore-nowhere", &ours])?);
        self.forget("ours")?;
        self.restore_large(gib)
    }

    /// Files of a GiB, each of data that repeats itself, so that their repository fits on the disk. Each is removed when it is
    /// whole, so that all the work of a restore is done and no more than a few of them are there at once.
    fn restore_large(&self, gib: u64) -> Result<()> {
        let (ours, target) = (self.text("ours"), self.text("target"));
        self.step(&["create", &ours])?;
        let (files, size, period) = (gib.to_string(), GIB.to_string(), (GIB / 16).to_string());
        self.step(&["upload-synthetic", &ours, "1", &files, &size, &period])?;
        let case = Case::new("synthetic large: restore", Amount::Bytes(gib * GIB));
        case.show("bowline", self.step(&["restore", &ours, &target, "--forget"])?);
        self.forget("target")?;
        self.forget("ours")
    }
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program} > /dev/null")]).status();
    found.is_ok_and(|status| status.success())
}

fn bytes(seed: u64, length: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..length.div_ceil(8)).flat_map(|number| random((seed << 36) + number).to_le_bytes()).collect();
    bytes.truncate(length as usize);
    bytes
}

fn plant_small(root: &Path, files: u64, folders: u64) -> Result<()> {
    let per_folder = files / folders;
    for folder in 0..folders {
        let path = root.join(format!("d{folder:05}"));
        fs_err::create_dir_all(&path)?;
        for file in 0..per_folder {
            fs_err::write(path.join(format!("f{file:04}")), bytes(folder * per_folder + file, SMALL))?;
        }
    }
    Ok(())
}

fn plant_large(root: &Path, size: u64) -> Result<()> {
    fs_err::create_dir_all(root)?;
    for file in 0..LARGE_FILES {
        let mut out = fs_err::File::create(root.join(format!("large{file}")))?;
        for part in 0..size.div_ceil(MIB) {
            std::io::Write::write_all(
                &mut out,
                &bytes((1 << 20) + file * 65_536 + part, MIB.min(size - part * MIB)),
            )?;
        }
    }
    Ok(())
}

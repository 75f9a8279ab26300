//! A memory limit for a program, as a pod would have: by the memory controller of the kernel's control groups, in either of its versions.

use std::path::{Path, PathBuf};

use anyhow::Result;

const ROOT: &str = "/sys/fs/cgroup";

/// A control group whose processes together may use so much memory. It goes with this value, when its processes have ended.
pub(crate) struct Limit {
    group: PathBuf,
}

impl Limit {
    /// Makes a group with a limit in MiB. An error says why this machine or user may not.
    pub(crate) fn new(mib: u64) -> Result<Self> {
        let (root, file) = controller()?;
        let limit = Self { group: root.join(format!("bowline-bench-{}", std::process::id())) };
        fs_err::create_dir(&limit.group)?;
        fs_err::write(limit.group.join(file), (mib << 20).to_string())?;
        Ok(limit)
    }

    /// The words before a command line that run it in the group.
    pub(crate) fn launcher(&self) -> [String; 4] {
        let script = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", self.group.display());
        ["/bin/sh", "-c", &script, "sh"].map(str::to_owned)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // What is left of it costs nothing and goes with the machine.
        let _ = fs_err::remove_dir(&self.group);
    }
}

/// The root of the memory controller's groups, and the file with the limit of a group.
fn controller() -> Result<(PathBuf, &'static str)> {
    let first = Path::new(ROOT).join("memory");
    if first.is_dir() {
        return Ok((first, "memory.limit_in_bytes"));
    }
    // A group of the second version has only the controllers that its parent hands on.
    fs_err::write(Path::new(ROOT).join("cgroup.subtree_control"), "+memory")?;
    Ok((PathBuf::from(ROOT), "memory.max"))
}

//! What the system says about a process: CPU time and peak memory.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Finds the process that was started from `program` with `arguments` in its command line.
pub(crate) fn find(arguments: &str, program: &Path) -> Result<u32> {
    let program = program.display().to_string();
    for entry in fs_err::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let line = fs_err::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.starts_with(&program) && line.contains(arguments) {
            return Ok(pid);
        }
    }
    bail!("no process `{program} … {arguments}` is running")
}

/// User and system CPU time so far, in seconds, of all threads.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("read /proc/PID/stat")?.1;
    let ticks =
        |index: usize| fields.split_whitespace().nth(index).and_then(|field| field.parse::<f64>().ok());
    let ticks =
        ticks(11).zip(ticks(12)).map(|(user, system)| user + system).context("read /proc/PID/stat")?;
    Ok(ticks / 100.0)
}

/// Starts a new peak.
pub(crate) fn reset_peak(pid: u32) -> Result<()> {
    Ok(fs_err::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Peak resident memory since [`reset_peak`], in MiB.
pub(crate) fn peak_mib(pid: u32) -> Result<f64> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM in /proc/PID/status")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().context("VmHWM in /proc/PID/status")?;
    Ok(kib / 1024.0)
}

//! What a command costs: time, CPU time of it and its children, peak memory.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Time between two looks at the memory of a process.
const LOOK: Duration = Duration::from_millis(5);
/// Clock ticks of a second, which Linux shows to all programs alike.
const TICKS: f64 = 100.0;

/// What a command cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Seconds.
    pub(crate) wall: f64,
    /// Seconds of user and system time.
    pub(crate) cpu: f64,
    pub(crate) peak_mib: f64,
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<Cost> {
    let before = cpu_seconds(15)?;
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("run {}", command.get_program().display()))?;
    let (success, peak_mib) = watch(&mut child)?;
    let wall = start.elapsed().as_secs_f64();
    if !success {
        bail!("{} failed", command.get_program().display());
    }
    Ok(Cost { wall, cpu: cpu_seconds(15)? - before, peak_mib })
}

fn watch(child: &mut Child) -> Result<(bool, f64)> {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status.success(), peak as f64 / 1024.0));
        }
        // After its end a process has no memory any more.
        let status = fs_err::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        // The last one counts: a step starts a new peak when its repository is open.
        peak = kib.unwrap_or(peak);
        std::thread::sleep(LOOK);
    }
}

/// Starts a new peak of this process: what opening a repository took is not counted, as the format demands 64 MiB for the
/// derivation of the key, whoever does it.
pub(crate) fn new_peak() -> Result<()> {
    Ok(fs_err::write("/proc/self/clear_refs", "5")?)
}

/// CPU time of this process so far, in seconds.
pub(crate) fn own_cpu() -> Result<f64> {
    cpu_seconds(13)
}

/// Two neighbouring fields of `/proc/self/stat`: 13 is this process, 15 its children that have ended.
fn cpu_seconds(first: usize) -> Result<f64> {
    let stat = fs_err::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("read /proc/self/stat")?.1.split_whitespace().collect();
    // The fields are counted from 0, and two of them stand before the last parenthesis.
    let ticks = |index: usize| fields.get(index - 2).and_then(|field| field.parse::<f64>().ok());
    let both = ticks(first).zip(ticks(first + 1)).context("read /proc/self/stat")?;
    Ok((both.0 + both.1) / TICKS)
}

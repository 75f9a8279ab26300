//! `repo verify`: whether all that snapshots need is there and sound.

use kopia::verify::{self, VerifyOptions, VerifyReport};
use serde::Serialize;

use super::open::{Address, Shape};
use crate::failure::Failure;
use crate::local::Access;
use crate::output::progress::{Counts, Progress};
use crate::session::Session;

/// Exit code when something is wrong.
const UNSOUND: u8 = 2;

/// Check that a repository is sound
#[derive(clap::Args)]
#[command(after_help = "
# That every content of every snapshot exists, without reading the data
{program} repo verify ./backups
# Read, decrypt and hash a tenth of the data (exit code 2 when something is wrong)
{program} repo verify s3://backups/kopia/shop --read-percent 10")]
pub(crate) struct Verify {
    #[command(flatten)]
    address: Address,
    /// How much of the data to read, decrypt and hash, from 0 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, value_parser = percentage)]
    read_percent: f64,
    #[command(flatten)]
    shape: Shape,
}

/// What was found, for programs.
#[derive(Debug, Serialize)]
struct Findings {
    sound: bool,
    contents: u64,
    read: u64,
    snapshots: u64,
    problems: Vec<String>,
}

fn percentage(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value| (0.0..=100.0).contains(value))
        .ok_or_else(|| "it is not from 0 to 100".to_owned())
}

impl Verify {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let opened = self.address.open(session, Access::Read).await?;
        let progress = Progress::new(&session.screen);
        progress.show(&Counts { phase: "Verifying".to_owned(), ..Counts::default() });
        let options = VerifyOptions { read_percent: self.read_percent, ..VerifyOptions::default() };
        let report = verify::verify(&opened.repository, &options).await;
        drop(progress);
        let report = report.map_err(|error| opened.failed(&error))?;
        let findings = Findings {
            sound: report.is_sound(),
            contents: report.contents,
            read: report.read,
            snapshots: report.snapshots,
            problems: report.problems.clone(),
        };
        self.shape.print(session, &findings, || sentences(&report))?;
        if report.is_sound() {
            return Ok(());
        }
        Err(Failure::new(format!("{} problems were found", report.problem_count)).code(UNSOUND).into())
    }
}

fn sentences(report: &VerifyReport) -> String {
    let mut lines = vec![format!(
        "Checked {} contents and {} snapshots; read and hashed {} contents.",
        report.contents, report.snapshots, report.read
    )];
    lines.extend(report.problems.iter().cloned());
    if report.is_sound() {
        lines.push("No problem was found.".to_owned());
    }
    lines.join("\n") + "\n"
}

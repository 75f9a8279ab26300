//! Logs in logrus' two forms, to standard error and into the log of each backup and restore; and traces, where a collector wants them.

mod line;
mod run_log;
mod subscriber;
mod trace;

pub use line::Format;
pub use run_log::{FinishedLog, RunLog, RunLogs};
pub use subscriber::{Level, Settings, install, layer};
pub use trace::{Collector, TraceError, Traces};

//! Profiles of this process for `go tool pprof` and its like (`--profiler-address`): where its CPU time goes, and what memory it holds.

mod encode;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::context::Context;
use crate::http;

/// Samples per second of CPU time. Not a divisor of what else happens periodically.
const FREQUENCY: i32 = 99;
const DEFAULT_SECONDS: u64 = 30;
const LONGEST_SECONDS: u64 = 600;
/// Where a stack is no safe place to look from, as far as the libraries are shared ones.
const LEFT_OUT: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

const INDEX: &str = "/debug/pprof/

profile?seconds=30   where CPU time goes, for `go tool pprof`
memory               what memory the process holds, as text
tasks                how many tasks there are and wait, as text
cmdline              the command line
";

/// What Go programs have besides, and what there is instead.
const OF_GO: [(&str, &str); 7] = [
    ("heap", MEMORY),
    ("allocs", MEMORY),
    ("goroutine", TASKS),
    ("threadcreate", TASKS),
    ("block", NOTHING),
    ("mutex", NOTHING),
    (
        "trace",
        "this server is no Go program; --tracing-endpoint sends traces of backups and restores to a collector\n",
    ),
];
const MEMORY: &str = "this server is no Go program and has no profile of its heap; /debug/pprof/memory tells what memory it holds\n";
const TASKS: &str =
    "this server is no Go program and has no goroutines; /debug/pprof/tasks tells how many tasks there are\n";
const NOTHING: &str = "this server is no Go program and takes no profile of its locks\n";

/// Answers until the server stops. That the address is taken harms nothing else, as in Velero.
pub(crate) async fn serve(context: Arc<Context>) {
    let Some(address) = context.config.profiler_address.clone() else { return };
    if let Err(error) = http::listen(&address, router(), context.stop.clone(), "profiles").await {
        tracing::warn!(error = %error, "profiles can't be had from this server");
    }
}

fn router() -> Router {
    // The sampler is one for the whole process.
    let sampler = Arc::new(tokio::sync::Mutex::new(()));
    let refusals = OF_GO.into_iter().fold(Router::new(), |router, (name, instead)| {
        router.route(&format!("/debug/pprof/{name}"), get(move || async move { not_here(instead) }))
    });
    refusals
        .route("/debug/pprof/", get(|| async { INDEX }))
        .route("/debug/pprof/profile", get(profile))
        .route("/debug/pprof/memory", get(memory))
        .route("/debug/pprof/tasks", get(tasks))
        .route("/debug/pprof/cmdline", get(command_line))
        .with_state(sampler)
}

#[derive(Deserialize)]
struct Wanted {
    seconds: Option<u64>,
}

async fn profile(
    State(sampler): State<Arc<tokio::sync::Mutex<()>>>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let seconds = wanted.seconds.unwrap_or(DEFAULT_SECONDS);
    if !(1..=LONGEST_SECONDS).contains(&seconds) {
        let message = format!("seconds must be between 1 and {LONGEST_SECONDS}");
        return (StatusCode::BAD_REQUEST, message).into_response();
    }
    let Ok(_turn) = sampler.try_lock() else {
        return (StatusCode::CONFLICT, "another profile is being taken").into_response();
    };
    match sample(Duration::from_secs(seconds)).await {
        Ok(content) => {
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"profile\""),
            ];
            (headers, content).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Looks for so long where the process is, and encodes what was seen.
async fn sample(duration: Duration) -> io::Result<Vec<u8>> {
    let builder = pprof::ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&LEFT_OUT);
    let sampling = builder.build().map_err(io::Error::other)?;
    tokio::time::sleep(duration).await;
    // Names are looked up in the program's file.
    let encoded = tokio::task::spawn_blocking(move || {
        let report = sampling.report().build().map_err(io::Error::other)?;
        encode::gzipped(&report, FREQUENCY)
    });
    encoded.await.map_err(io::Error::other)?
}

async fn memory() -> Response {
    let read = tokio::task::spawn_blocking(|| {
        let status = fs_err::read_to_string("/proc/self/status")?;
        let memory = status.lines().filter(|line| line.starts_with("Vm") || line.starts_with("Rss"));
        let held = fs_err::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
        io::Result::Ok(format!("{}\n\n{held}", memory.collect::<Vec<_>>().join("\n")))
    });
    match read.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(text) => text.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn not_here(instead: &'static str) -> Response {
    (StatusCode::NOT_IMPLEMENTED, instead).into_response()
}

/// The work of the process, in the runtime's own counts.
async fn tasks() -> String {
    let metrics = tokio::runtime::Handle::current().metrics();
    format!(
        "threads {}\ntasks {}\ntasks that wait for a thread {}\n",
        metrics.num_workers(),
        metrics.num_alive_tasks(),
        metrics.global_queue_depth()
    )
}

/// As Go's: the arguments with NUL bytes between them.
async fn command_line() -> String {
    fs_err::tokio::read_to_string("/proc/self/cmdline").await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use prost::Message;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// The parts of github.com/google/pprof's `Profile` that are looked at, as its own definition numbers them.
    #[derive(Clone, PartialEq, Message)]
    struct Profile {
        #[prost(message, repeated, tag = "1")]
        sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        sample: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        string_table: Vec<String>,
        #[prost(int64, tag = "12")]
        period: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    struct ValueType {
        #[prost(int64, tag = "1")]
        kind: i64,
        #[prost(int64, tag = "2")]
        unit: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        value: Vec<i64>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Location {
        #[prost(uint64, tag = "1")]
        id: u64,
        #[prost(message, repeated, tag = "4")]
        line: Vec<Line>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Line {
        #[prost(uint64, tag = "1")]
        function_id: u64,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Function {
        #[prost(uint64, tag = "1")]
        id: u64,
        #[prost(int64, tag = "2")]
        name: i64,
    }

    impl Profile {
        fn text(&self, place: i64) -> &str {
            &self.string_table[usize::try_from(place).unwrap()]
        }

        fn kinds(&self) -> Vec<String> {
            let kind = |it: &ValueType| format!("{}/{}", self.text(it.kind), self.text(it.unit));
            self.sample_type.iter().map(kind).collect()
        }

        /// CPU time of the samples with this function on the stack, in nanoseconds.
        fn time_in(&self, part: &str) -> i64 {
            let is_named = |id: u64| {
                let function = self.function.iter().find(|function| function.id == id).unwrap();
                self.text(function.name).contains(part)
            };
            let is_in = |id: &u64| {
                let location = self.location.iter().find(|location| location.id == *id).unwrap();
                location.line.iter().any(|line| is_named(line.function_id))
            };
            let inside = self.sample.iter().filter(|sample| sample.location_id.iter().any(is_in));
            inside.map(|sample| sample.value[1]).sum()
        }
    }

    #[inline(never)]
    fn burn_time_visibly(until: &AtomicBool) -> u64 {
        let mut sum = 0_u64;
        while !until.load(Relaxed) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        sum
    }

    async fn get(address: &str, path: &str) -> (u16, Vec<u8>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /debug/pprof/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        let code = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
        (code, answer.split_off(end))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_profile_names_the_function_that_burns_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let stop = CancellationToken::new();
        let server = {
            let (address, stop) = (address.clone(), stop.clone());
            tokio::spawn(async move { http::listen(&address, router(), stop, "profiles").await })
        };
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            tokio::task::yield_now().await;
        }
        let done = Arc::new(AtomicBool::new(false));
        let burner = {
            let done = Arc::clone(&done);
            std::thread::spawn(move || burn_time_visibly(&done))
        };
        let (first, second) = tokio::join!(get(&address, "profile?seconds=2"), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            get(&address, "profile?seconds=1").await
        });
        done.store(true, Relaxed);
        burner.join().unwrap();
        assert_eq!((first.0, second.0), (200, 409));
        let mut profile = Vec::new();
        flate2::read::GzDecoder::new(first.1.as_slice()).read_to_end(&mut profile).unwrap();
        let profile = Profile::decode(profile.as_slice()).unwrap();
        assert_eq!(profile.kinds(), ["samples/count", "cpu/nanoseconds"]);
        assert_eq!(profile.period, 1_000_000_000 / i64::from(FREQUENCY));
        let burnt = profile.time_in("burn_time_visibly");
        assert!(burnt > 100_000_000, "{burnt} ns of CPU time in the function that burns it");
        assert!(String::from_utf8_lossy(&get(&address, "").await.1).contains("profile?seconds"));
        assert!(String::from_utf8_lossy(&get(&address, "memory").await.1).contains("VmRSS"));
        assert!(String::from_utf8_lossy(&get(&address, "tasks").await.1).contains("tasks "));
        assert_eq!(get(&address, "profile?seconds=0").await.0, 400);
        let heap = get(&address, "heap").await;
        assert!(heap.0 == 501 && String::from_utf8_lossy(&heap.1).contains("/debug/pprof/memory"));
        stop.cancel();
        server.await.unwrap().unwrap();
    }
}

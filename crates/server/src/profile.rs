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
cmdline              the command line
";

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
    Router::new()
        .route("/debug/pprof/", get(|| async { INDEX }))
        .route("/debug/pprof/profile", get(profile))
        .route("/debug/pprof/memory", get(memory))
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

/// As Go's: the arguments with NUL bytes between them.
async fn command_line() -> String {
    fs_err::tokio::read_to_string("/proc/self/cmdline").await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use tokio_util::sync::CancellationToken;

    use super::*;

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
        let text = String::from_utf8_lossy(&profile);
        for part in ["samples", "cpu", "nanoseconds", "burn_time_visibly"] {
            assert!(text.contains(part), "{part} is not in the profile");
        }
        assert!(String::from_utf8_lossy(&get(&address, "").await.1).contains("profile?seconds"));
        assert!(String::from_utf8_lossy(&get(&address, "memory").await.1).contains("VmRSS"));
        assert_eq!(get(&address, "profile?seconds=0").await.0, 400);
        stop.cancel();
        server.await.unwrap().unwrap();
    }
}

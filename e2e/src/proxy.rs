//! Bad weather between a program and its object store.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// What happens to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    Calm,
    /// Every piece takes this much longer.
    Slow(Duration),
    /// Connections are reset as soon as they have carried so many bytes towards the store: half-written uploads.
    Torn(usize),
    /// Every request is answered "503 Slow Down".
    Overloaded,
    /// Every upload is answered "507 Insufficient Storage"; everything else works.
    Full,
}

/// A TCP proxy on loopback in front of an object store that speaks plain HTTP.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    sky: Arc<Sky>,
}

#[derive(Debug)]
struct Sky {
    weather: Mutex<Weather>,
    struck: AtomicUsize,
    ended: AtomicBool,
}

impl Proxy {
    /// A proxy in front of `server` (host and port), in calm weather.
    pub fn before(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("open a port for a proxy")?;
        let address = listener.local_addr().context("open a port for a proxy")?;
        let sky = Sky {
            weather: Mutex::new(Weather::Calm),
            struck: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        };
        let (sky, server) = (Arc::new(sky), server.to_owned());
        let above = Arc::clone(&sky);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if above.ended.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(server) = TcpStream::connect(&server) {
                    connect(&above, client, &server);
                }
            }
        });
        Ok(Self { address, sky })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather, also for connections that are open.
    pub fn set(&self, weather: Weather) {
        *self.sky.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// How many requests were refused and connections reset so far.
    pub fn struck(&self) -> usize {
        self.sky.struck.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.sky.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
    }
}

impl Sky {
    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strike(&self) {
        self.struck.fetch_add(1, Ordering::Relaxed);
    }
}

fn connect(sky: &Arc<Sky>, client: TcpStream, server: &TcpStream) {
    let (Ok(mut from_client), Ok(mut to_client)) = (client.try_clone(), client.try_clone()) else { return };
    let (Ok(mut to_server), Ok(mut from_server)) = (server.try_clone(), server.try_clone()) else { return };
    let sky = Arc::clone(sky);
    std::thread::spawn(move || {
        upwards(&sky, &mut from_client, &mut to_server, &client);
        // Either may be closed already.
        let _ = (to_server.shutdown(Shutdown::Write), from_client.shutdown(Shutdown::Read));
    });
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(length @ 1..) = from_server.read(&mut buffer) {
            if to_client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = (to_client.shutdown(Shutdown::Write), from_server.shutdown(Shutdown::Read));
    });
}

/// Carries requests to the store for as long as the weather allows.
fn upwards(sky: &Sky, from: &mut TcpStream, to: &mut TcpStream, client: &TcpStream) {
    let mut buffer = vec![0; 16 << 10];
    let mut carried = 0;
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let piece = &buffer[..length];
        match sky.weather() {
            Weather::Slow(delay) => std::thread::sleep(delay),
            Weather::Torn(bytes) if carried + length > bytes => {
                sky.strike();
                // Some of it gets there.
                let _ = to.write_all(&piece[..length / 2]);
                let _ = (to.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both));
                return;
            }
            Weather::Overloaded if begins_request(piece, &["GET", "HEAD", "PUT", "POST", "DELETE"]) => {
                return refuse(sky, client, "503 Service Unavailable", "SlowDown");
            }
            Weather::Full if begins_request(piece, &["PUT", "POST"]) => {
                return refuse(sky, client, "507 Insufficient Storage", "XMinioStorageFull");
            }
            Weather::Calm | Weather::Torn(_) | Weather::Overloaded | Weather::Full => {}
        }
        carried += length;
        if to.write_all(piece).is_err() {
            return;
        }
    }
}

/// Clients begin a request with a piece of its own.
fn begins_request(piece: &[u8], methods: &[&str]) -> bool {
    methods
        .iter()
        .any(|method| piece.strip_prefix(method.as_bytes()).is_some_and(|rest| rest.starts_with(b" /")))
}

fn refuse(sky: &Sky, mut client: &TcpStream, status: &str, code: &str) {
    sky.strike();
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>by the weather</Message></Error>");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // The client may be gone.
    let _ = (client.write_all(answer.as_bytes()), client.shutdown(Shutdown::Write));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a request through a proxy in this weather; gives what arrived at the store, and the answer.
    fn exchange(weather: Weather, request: &[u8]) -> (usize, String) {
        let store = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::before(&store.local_addr().unwrap().to_string()).unwrap();
        proxy.set(weather);
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        client.write_all(request).unwrap();
        let (mut server, _) = store.accept().unwrap();
        let mut buffer = vec![0; 1 << 10];
        let mut arrived = 0;
        if weather == Weather::Calm {
            arrived = server.read(&mut buffer).unwrap();
            server.write_all(b"fine").unwrap();
            server.shutdown(Shutdown::Both).unwrap();
        }
        let mut answer = String::new();
        // A reset is an error here, and as good as an end.
        let _ = client.read_to_string(&mut answer);
        (arrived, answer)
    }

    #[test]
    fn weather_decides_what_passes() {
        assert_eq!(exchange(Weather::Calm, b"PUT /x HTTP/1.1\r\n"), (17, "fine".into()));
        assert!(exchange(Weather::Full, b"PUT /x HTTP/1.1\r\n").1.starts_with("HTTP/1.1 507"));
        assert!(exchange(Weather::Overloaded, b"GET /x HTTP/1.1\r\n").1.contains("SlowDown"));
        assert_eq!(exchange(Weather::Torn(4), b"PUT /x HTTP/1.1\r\n").1, "");
    }
}

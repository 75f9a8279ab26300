//! A way to stop a program in the middle of its work, at a chosen byte instead of a chosen moment.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// A TCP proxy on loopback in front of a server. It can hold back all answers from a certain byte on, so that a client is
/// certainly in the middle of something, for as long as a test needs.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    door: Arc<Door>,
}

#[derive(Debug, Default)]
struct Door {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of answers that may still pass; without a number, all.
    left: Option<usize>,
    /// Whether an answer waits.
    holds: bool,
    ended: bool,
}

impl Gate {
    /// An open gate in front of `server` (host and port).
    pub fn before(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("open a port for a gate")?;
        let address = listener.local_addr().context("open a port for a gate")?;
        let (door, server) = (Arc::new(Door::default()), server.to_owned());
        let doorman = Arc::clone(&door);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if doorman.lock().ended {
                    return;
                }
                // A server that is down ends the connection, as without a gate.
                if let Ok(server) = TcpStream::connect(&server) {
                    connect(&doorman, client, server);
                }
            }
        });
        Ok(Self { address, door })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets so many more bytes of answers through, of all connections together, and then none.
    pub fn hold_after(&self, bytes: usize) {
        self.door.lock().left = Some(bytes);
    }

    /// Waits until an answer is held back.
    pub fn wait_until_it_holds(&self, limit: Duration) -> Result<()> {
        let state = self.door.lock();
        let waited = self.door.changed.wait_timeout_while(state, limit, |state| !state.holds);
        let (_state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        if result.timed_out() {
            bail!("the program did not ask for as much as the gate lets through within {limit:?}");
        }
        Ok(())
    }

    /// Lets everything through again, first what was held back.
    pub fn open(&self) {
        let mut state = self.door.lock();
        (state.left, state.holds) = (None, false);
        self.door.changed.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.door.lock().ended = true;
        self.open();
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
    }
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `bytes` may pass.
    fn pass(&self, bytes: usize) {
        let mut state = self.lock();
        while let Some(left) = state.left {
            if bytes <= left {
                state.left = Some(left - bytes);
                return;
            }
            state.holds = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn connect(door: &Arc<Door>, client: TcpStream, server: TcpStream) {
    let (Ok(from_client), Ok(to_client)) = (client.try_clone(), server.try_clone()) else { return };
    std::thread::spawn(move || copy(from_client, server, |_| ()));
    let door = Arc::clone(door);
    std::thread::spawn(move || copy(to_client, client, |bytes| door.pass(bytes)));
}

/// Copies until one side has enough, and ends the other.
fn copy(mut from: TcpStream, mut to: TcpStream, pass: impl Fn(usize)) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        pass(length);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Either may be closed already.
    let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_held_back_until_the_gate_opens() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Gate::before(&server.local_addr().unwrap().to_string()).unwrap();
        gate.hold_after(4);
        let mut client = TcpStream::connect(gate.address()).unwrap();
        let (mut answering, _) = server.accept().unwrap();
        let mut answer = [0; 4];
        answering.write_all(b"free").unwrap();
        client.read_exact(&mut answer).unwrap();
        answering.write_all(b"held").unwrap();
        gate.wait_until_it_holds(Duration::from_secs(10)).unwrap();
        gate.open();
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"held");
    }

    #[test]
    fn a_program_that_asks_for_nothing_does_not_hang_the_test() {
        let gate = Gate::before("127.0.0.1:9").unwrap();
        gate.hold_after(0);
        assert!(gate.wait_until_it_holds(Duration::from_millis(10)).is_err());
    }
}

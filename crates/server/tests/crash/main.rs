//! The server against an API server, a bucket and a clock in memory, killed at each of its calls in turn.
//!
//! [`world`] is what outlives a server. [`kill`] runs a scenario once to count its calls, then once for every point: kill there, start a
//! fresh server, wait until it has done, look at everything. `BOWLINE_CRASH_POINTS=all` tries every point; else a sample of them.

mod conformance;
mod kill;
mod replicas;
mod reports;
mod scenario;
mod world;

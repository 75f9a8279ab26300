//! The server against an API server, a bucket and a clock in memory, killed at each of its calls in turn.
//!
//! [`world`] is what outlives a server. [`kill`] runs a scenario once to count its calls, then once for every point: kill there, start a
//! fresh server, wait until it has done, look at everything. `BOWLINE_CRASH_POINTS=all` tries every point; else a sample of them.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod delete_actions;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod large_bucket;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod restores;
#[cfg(test)]
mod rule;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod weather;
#[cfg(test)]
mod world;

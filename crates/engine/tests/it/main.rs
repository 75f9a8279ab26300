//! The engine over in-memory ports.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod diff;
mod restore;

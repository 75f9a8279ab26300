//! The engine over in-memory ports.

#[cfg(test)]
mod backup;
mod restore;

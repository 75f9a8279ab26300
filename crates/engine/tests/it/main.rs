//! The engine over in-memory ports.

mod backup;
mod restore;

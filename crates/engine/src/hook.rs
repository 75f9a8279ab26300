//! Hooks: commands that run in pods before and after they are saved, and after they are restored.

pub mod backup;
pub mod restore;

//! Everything that the program prints.

pub(crate) mod describe;
pub(crate) mod diff;
pub(crate) mod encode;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod tabs;
pub(crate) mod time;
mod visible;

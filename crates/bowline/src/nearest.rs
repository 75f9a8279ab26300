//! The nearest right name for a mistyped one.

pub(crate) use bowline_engine::nearest::{did_you_mean, nearest};

//! Bowline's server: the controllers of the `velero.io` kinds, and the adapters that let the engine run on a real cluster.

pub mod adapter;

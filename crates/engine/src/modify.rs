//! Resource modifiers: JSON patch, merge patch and strategic merge patch, chosen by conditions (behaviour §3.6).
//!
//! Being written as a piece of its own, by somebody else than the restore around it.

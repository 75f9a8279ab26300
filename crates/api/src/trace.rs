//! What traces (OpenTelemetry) are made of: spans of this target, and of no other. They say what was done and how long it took; logs,
//! which have spans of their own for the fields of their lines, don't know of them.

/// The target of spans that are for traces. They are at the level `INFO`.
///
/// ```text
/// tracing::info_span!(target: bowline_api::trace::TARGET, "collect", resource = "pods")
/// ```
///
/// Attributes are names, counts, phases and sizes, never contents of objects. A span stands for a phase, a kind or a request that moves
/// many objects, never for one object.
pub const TARGET: &str = "trace";

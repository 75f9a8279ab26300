//! Tests against a real API server and MinIO, in one program so that they share one cluster.

mod definitions;
mod harness;
mod object_store;
mod serverless;

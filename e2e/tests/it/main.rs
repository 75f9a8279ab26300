//! Tests against a real API server and MinIO, in one program so that they share one cluster.

mod api_server;
mod completion;
mod damaged_backups;
mod definitions;
mod documents;
mod files;
mod harness;
mod installation;
mod interruptions;
mod location_faults;
mod main_job;
mod object_store;
mod refusals;
mod replicas;
mod scenarios;
mod server_refusals;
mod serverless;
mod soak;
mod velero_backups;

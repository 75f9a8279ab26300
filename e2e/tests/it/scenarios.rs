//! The scenarios of Velero's own end-to-end tests that need no volumes, by their names, and the rules that those leave out.
//!
//! All use one API server and one Bowline server, each in namespaces of its own, so that they can run at the same time.

mod api_extensions;
mod api_versions;
mod deletion;
mod existing_objects;
mod label_selectors;
mod namespace_mapping;
mod namespaces;
mod node_ports;
mod ordered_resources;
mod plans;
mod rbac;
mod resource_filtering;
mod resource_modifiers;
mod restore_status;
mod schedules;
mod server_status;
mod stage;
mod storage_classes;
mod sync;
mod time_to_live;
mod volume_policies;

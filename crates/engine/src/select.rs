//! What belongs to a backup or a restore: namespaces, resources, labels, and the policies of a ConfigMap.

pub mod label;

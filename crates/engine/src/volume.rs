//! Volumes: by which way the data of each is saved or brought back, and why.

pub mod facts;
pub mod ledger;
pub mod method;
pub mod pod;

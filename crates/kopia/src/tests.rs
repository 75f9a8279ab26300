//! Tests across the layers: what Kopia and Velero wrote, what we write, and what is left after a crash.

mod golden;

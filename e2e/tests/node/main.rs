//! Tests on a cluster whose pods run: Bowline in its own image, installed in all ways, with hooks that are really executed. And of the
//! chart alone, which needs no cluster.

mod application;
mod changeover;
mod chart;
mod hooks;
mod installation;
mod stage;

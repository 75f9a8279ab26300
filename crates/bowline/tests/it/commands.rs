//! What commands do with objects, and what scripts read of them: a rule of the command line, a test.

mod create;
mod delete;
mod get;
mod locations;
mod other;
mod schedules;

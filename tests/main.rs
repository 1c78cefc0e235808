//! The one integration test binary. Each subject is a module; `tidy` fails on a file not named
//! here.

mod cockpit;
mod config;
mod core;
mod detach;
mod docs;
mod journal;
mod kubernetes;
mod metrics;
mod panes;
mod pty;
mod readers;
mod report;
mod run;
mod shell;
mod socket;
mod tidy;
mod workspace;

//! The one integration test binary. Each subject is a module; `tidy` fails on a file not named
//! here.

mod cockpit;
mod config;
mod core;
mod crash;
mod detach;
mod docs;
mod failures;
mod flight;
mod journal;
mod kubernetes;
mod metrics;
mod newcomer;
mod panes;
mod plain;
mod pty;
mod readers;
mod rehearsal;
mod replay;
mod report;
mod run;
mod seeds;
mod shell;
mod socket;
mod tidy;
mod workspace;

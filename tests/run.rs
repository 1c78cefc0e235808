//! `gonogo run` as people use it: the real program, real processes, a real repository, each with a
//! state directory of its own. Nothing here waits for time to pass, only for something to be so.

mod bench;
mod crash;
mod several;
mod terminal;
mod triage;
mod whole;

//! The core from outside: shipped plans, tables of decisions, properties over random inputs.

mod shipped;

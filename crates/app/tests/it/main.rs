//! Black-box tests: the built program, real sockets, an upstream that does as it is told.
#![cfg(test)] // so that the lints know that helpers are tests too

mod bad_upstreams;
mod canaries;
mod command_line;
mod lifecycle;
mod limits;
mod presented;
mod program;
mod quickstart;
mod raw;
mod refusals;
mod revocation;
mod secrets;
mod sudden_death;
mod upstream;

//! Black-box tests: the built program, real sockets, an upstream that does as it is told.
#![cfg(test)] // so that the lints know that helpers are tests too

mod canaries;
mod program;
mod revocation;
mod sudden_death;
mod upstream;

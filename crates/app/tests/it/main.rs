//! Black-box tests: the built program, real sockets, an upstream that does as it is told.

mod canaries;
mod program;
mod revocation;
mod sudden_death;
mod upstream;

//! The program `doorward`.
mod config;
mod environment;
fn main() {}

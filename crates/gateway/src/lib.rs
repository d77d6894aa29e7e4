//! x

pub mod listen;

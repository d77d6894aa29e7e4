//! Pages as a browser asks for them, over a management API of which a test says each answer.

mod account;
mod fake;
mod ways_in;

//! Pages as a browser asks for them, over a management API of which a test says each answer.
#![cfg(test)] // so that the lints know that helpers are tests too

mod account;
mod fake;
mod ways_in;

//! The pages: one file for each, found by its path.

pub(crate) mod general_keys;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod providers;
pub(crate) mod sign_in;
pub(crate) mod theme;

//! The pages: one file for each, found by its path.

pub(crate) mod keys;
pub(crate) mod playground;
pub(crate) mod sign_in;
pub(crate) mod theme;
pub(crate) mod usage;

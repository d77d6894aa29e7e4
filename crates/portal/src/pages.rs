//! The pages: one file for each, found by its path.

pub(crate) mod keys;
pub(crate) mod requests;
pub(crate) mod service_accounts;
pub(crate) mod sign_in;
pub(crate) mod theme;

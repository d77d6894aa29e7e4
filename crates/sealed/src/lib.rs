//! Files that leave the program: sealed under a passphrase ([`age`]), and those that hold a key
//! ([`key_file`]). Pure but for the operating system's random bytes.

pub mod age;
pub mod key_file;

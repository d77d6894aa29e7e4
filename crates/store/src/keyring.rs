//! The master key and the keyring that it wraps.

use zeroize::Zeroizing;

use crate::OpenError;

/// The key that wraps the keyring: 32 bytes.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey([REDACTED])")
    }
}

impl MasterKey {
    /// Reads 32 bytes in base64, as `DOORWARD_MASTER_KEY` and `master.key` carry them; `source`
    /// names the place in an error.
    pub fn parse(text: &str, source: &str) -> Result<Self, OpenError> {
        todo!()
    }
}

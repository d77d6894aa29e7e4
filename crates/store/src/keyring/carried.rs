//! The keyring as a backup carries it: its keys as they are, for the passphrase alone opens the file.
//!
//! All but those that tokens are signed with: these never leave the process, so that no backup makes
//! anybody a signer, and the restored installation makes one of its own. No token from before is good
//! there, whether it was revoked since the backup or not; tokens live for an hour, and whoever has a
//! key gets another.

use doorward_domain::audit::AuditKey;

use super::{
    Keyring, MasterKey, Purpose, Stored, Wrapped, aead, keys_of, random_key, unwrap, wrap_place,
};
use crate::{OpenError, StoreError};

/// Whether keys of this purpose are in a backup.
pub(crate) fn is_carried(purpose: &str) -> bool {
    purpose != Purpose::Token.as_str()
}

impl Keyring {
    /// Opens any stored key of the keyring, for a backup.
    pub(crate) fn unwrap_stored(
        &self,
        purpose: &str,
        version: i64,
        wrapped: &[u8],
    ) -> Result<super::KeyBytes, StoreError> {
        unwrap(&self.master, purpose, version, wrapped).map_err(|_| StoreError::Integrity)
    }
}

/// A keyring that is being restored under another master key.
pub(crate) struct Carried<'a> {
    master: &'a MasterKey,
    /// As they are stored from now on.
    keys: Vec<Wrapped>,
}

impl<'a> Carried<'a> {
    pub(crate) fn new(master: &'a MasterKey) -> Self {
        Self { master, keys: Vec::new() }
    }

    /// Wraps a key for its place.
    pub(crate) fn take(
        &mut self,
        purpose: &str,
        version: i64,
        key: &[u8; 32],
    ) -> Result<Vec<u8>, StoreError> {
        let wrapped = aead::seal(&self.master.0, &wrap_place(purpose, version), key)?;
        self.keys.push((purpose.to_owned(), version, wrapped.clone()));
        Ok(wrapped)
    }

    /// Makes the key that tokens are signed with from now on.
    pub(crate) fn make_token_key(&mut self) -> Result<Wrapped, StoreError> {
        let (purpose, version) = (Purpose::Token.as_str(), 1);
        let wrapped = self.take(purpose, version, &*random_key()?)?;
        Ok((purpose.to_owned(), version, wrapped))
    }

    /// The key of the audit chain, once the keyring is whole.
    pub(crate) fn audit_key(self) -> Result<AuditKey, OpenError> {
        let stored = Stored { keys: self.keys, has_data: true };
        stored.check_whole()?;
        let keys = keys_of(&stored.keys, self.master, Purpose::Audit)?;
        let newest = keys.last_key_value().map(|(_, key)| AuditKey::new(key));
        newest.ok_or_else(|| OpenError::Store(StoreError::Corrupt("keyring".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_that_lacks_a_key_is_not_restored() {
        let master = MasterKey::generate().unwrap();
        let filled = |left_out: Option<Purpose>| {
            let mut carried = Carried::new(&master);
            for purpose in Purpose::ALL {
                if purpose == Purpose::Token {
                    carried.make_token_key().unwrap();
                } else if Some(purpose) != left_out {
                    carried.take(purpose.as_str(), 1, &[7; 32]).unwrap();
                }
            }
            carried.audit_key()
        };
        assert!(filled(None).is_ok());
        let lost = filled(Some(Purpose::Vault));
        assert!(matches!(lost, Err(OpenError::KeyringLost { .. })));
    }

    #[test]
    fn each_restored_token_key_is_another() {
        let master = MasterKey::generate().unwrap();
        let make = || {
            let (purpose, version, wrapped) = Carried::new(&master).make_token_key().unwrap();
            unwrap(&master, &purpose, version, &wrapped).unwrap()
        };
        assert_ne!(make(), make());
        assert!(!is_carried(Purpose::Token.as_str()) && is_carried(Purpose::Audit.as_str()));
    }
}

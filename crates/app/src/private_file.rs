//! Files that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes a file with mode 0600, whole or not at all; one that is there is replaced.
///
/// The content goes to a new file that nobody else could open at any moment, which then takes the
/// name: a link or a looser file planted at `path` gets nothing of it.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_planted_link_gets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join("admin.key"), dir.path().join("elsewhere"));
        std::fs::write(&elsewhere, "").unwrap();
        symlink(&elsewhere, &path).unwrap();
        symlink(&elsewhere, dir.path().join("admin.key.new")).unwrap();
        write(&path, b"secret").unwrap();
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"");
        assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        let mode = std::fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn a_file_that_anybody_could_read_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tls.key");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }
}

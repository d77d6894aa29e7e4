//! Files that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Writes a file with mode 0600, whole or not at all; one that is there is replaced.
///
/// The content goes to a new file that nobody else could open at any moment, which then takes the
/// name: a link or a looser file planted at `path` gets nothing of it.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut draft = Draft::create(path, IfThere::Replace)?;
    draft.write_all(content)?;
    draft.keep()
}

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfThere {
    /// It is replaced.
    Replace,
    /// It stays, and nothing is written.
    Refuse,
}

/// A file that is being written beside its place, with mode 0600, and takes its name when it is
/// whole. One that is dropped leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    new: PathBuf,
    path: PathBuf,
    if_there: IfThere,
}

impl Draft {
    /// Creates it: whether something can be written there shows now.
    pub(crate) fn create(path: &Path, if_there: IfThere) -> io::Result<Self> {
        if if_there == IfThere::Refuse && path.symlink_metadata().is_ok() {
            return Err(taken());
        }
        let new = path.with_added_extension("new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        Ok(Self { file, new, path: path.to_owned(), if_there })
    }

    /// Where it is so far, to be read.
    pub(crate) fn so_far(&self) -> &Path {
        &self.new
    }

    /// Gives the file its name, once it is on the disk.
    pub(crate) fn keep(self) -> io::Result<()> {
        self.file.sync_all()?;
        match self.if_there {
            IfThere::Replace => std::fs::rename(&self.new, &self.path)?,
            IfThere::Refuse => rename_to_new(&self.new, &self.path)?,
        }
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            Some(_) | None => File::open(".")?.sync_all(),
        }
    }
}

/// Fails where somebody took the name in between. File systems that cannot rename so can link, and those
/// that cannot link can rename so.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(taken()),
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::hard_link(from, to),
        Err(other) => Err(other.into()),
    }
}

fn taken() -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        "there is a file of that name (--force replaces it)",
    )
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a renaming it is not there any more, which is as well.
        let _is_removed = std::fs::remove_file(&self.new).is_ok();
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

    #[test]
    fn a_file_that_is_there_is_kept_even_when_it_came_in_between() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci.env");
        let mut draft = Draft::create(&path, IfThere::Refuse).unwrap();
        draft.write_all(b"mine").unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert_eq!(draft.keep().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        let refused = Draft::create(&path, IfThere::Refuse).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let mut draft = Draft::create(&dir.path().join("x"), IfThere::Refuse).unwrap();
        draft.write_all(b"secret").unwrap();
        drop(draft);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

//! Files that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Names that are tried for a draft. Each run that was killed may have left one.
const ATTEMPTS_MAX: u32 = 1_000;

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
    /// It has its name, and what is at `new` from then on is somebody else's.
    is_named: bool,
}

impl Draft {
    /// Creates it: whether something can be written there shows now.
    pub(crate) fn create(path: &Path, if_there: IfThere) -> io::Result<Self> {
        if if_there == IfThere::Refuse && path.symlink_metadata().is_ok() {
            return Err(taken());
        }
        let (file, new) = create_beside(path)?;
        Ok(Self { file, new, path: path.to_owned(), if_there, is_named: false })
    }

    /// Where it is so far, to be read.
    pub(crate) fn so_far(&self) -> &Path {
        &self.new
    }

    /// Gives the file its name, once it is on the disk.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        match self.if_there {
            IfThere::Replace => std::fs::rename(&self.new, &self.path)?,
            IfThere::Refuse => rename_to_new(&self.new, &self.path)?,
        }
        self.is_named = true;
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            Some(_) | None => File::open(".")?.sync_all(),
        }
    }
}

/// Creates a file beside `path` under a name that nothing has: what is there may be the user's own, or
/// the draft of a run at the same time.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    for attempt in 0..ATTEMPTS_MAX {
        let new = path.with_added_extension(draft_extension(attempt));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new) {
            Ok(file) => return Ok((file, new)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many unfinished files are beside it"))
}

fn draft_extension(attempt: u32) -> String {
    format!("{}-{attempt}.new", std::process::id())
}

/// Fails where somebody took the name in between. File systems that cannot rename so can link, and those
/// that cannot link can rename so.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(taken()),
        Err(Errno::INVAL | Errno::NOSYS) => {
            std::fs::hard_link(from, to)?;
            // The file has its name: a second one that stays is no failure.
            let _is_removed = std::fs::remove_file(from).is_ok();
            Ok(())
        }
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
        if !self.is_named {
            let _is_removed = std::fs::remove_file(&self.new).is_ok();
        }
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
        symlink(&elsewhere, path.with_added_extension(draft_extension(0))).unwrap();
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
    fn what_others_have_beside_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci.env");
        let (of_user, of_run) =
            (path.with_added_extension("new"), path.with_added_extension(draft_extension(0)));
        for other in [&of_user, &of_run] {
            std::fs::write(other, "theirs").unwrap();
        }
        let mut kept = Draft::create(&path, IfThere::Replace).unwrap();
        let dropped = Draft::create(&path, IfThere::Replace).unwrap();
        kept.write_all(b"mine").unwrap();
        drop(dropped);
        kept.keep().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        for other in [&of_user, &of_run] {
            assert_eq!(std::fs::read(other).unwrap(), b"theirs");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing else is left");
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

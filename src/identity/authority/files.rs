//! Small files that must never be half written, and private ones that nobody else may read. Blocks.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::AuthorityError;

/// Far more than a key or a record of keys takes.
const MAX_BYTES: u64 = 256 * 1024;
/// What a private key is called while it is being destroyed.
const WASTE: &str = "waste";
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A folder of mode 0700.
#[derive(Debug, Clone)]
pub(super) struct PrivateDir(PathBuf);

impl PrivateDir {
    /// Makes the folder, and those above it, if need be.
    pub(super) fn make(path: PathBuf) -> Result<Self, AuthorityError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(AuthorityError::file(&path))?;
        Self::open(path)
    }

    /// The folder, if nobody else may enter it.
    pub(super) fn open(path: PathBuf) -> Result<Self, AuthorityError> {
        let found = fs::symlink_metadata(&path).map_err(AuthorityError::file(&path))?;
        if !found.is_dir() {
            return Err(AuthorityError::NotPlain(path));
        }
        refuse_open(&path, found.mode())?;
        Ok(Self(path))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Keeps every other process from changing the folder, until dropped. Waits a second at most.
    pub(super) fn lock(&self) -> Result<File, AuthorityError> {
        let path = self.path("lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600).custom_flags(no_follow());
        let file = options.open(&path).map_err(AuthorityError::file(&path))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(fs::TryLockError::Error(source)) => return Err(AuthorityError::File { path, source }),
            }
        }
        Err(AuthorityError::Busy)
    }

    /// Puts `content` under `name` in one step: after a crash there is the old file or the new one.
    pub(super) fn replace(&self, name: &str, content: &[u8], mode: u32) -> Result<(), AuthorityError> {
        let passing = format!("{name}.tmp");
        self.write(&passing, content, mode)?;
        self.rename(&passing, name)
    }

    /// Writes a file that is not in use yet, down to the disk.
    fn write(&self, name: &str, content: &[u8], mode: u32) -> Result<(), AuthorityError> {
        let path = self.path(name);
        self.remove(name)?;
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&path)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(AuthorityError::file(&path))
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), AuthorityError> {
        let path = self.path(to);
        let rename = || fs::rename(self.path(from), &path).and_then(|()| File::open(&self.0)?.sync_all());
        rename().map_err(AuthorityError::file(&path))
    }

    /// Gives the file, if it is there, a second name.
    pub(super) fn link(&self, from: &str, to: &str) -> Result<(), AuthorityError> {
        self.remove(to)?;
        let path = self.path(from);
        match fs::hard_link(&path, self.path(to)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(AuthorityError::File { path, source: e }),
            _ => Ok(()),
        }
    }

    /// Removes the file if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), AuthorityError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(AuthorityError::File { path, source: e }),
            _ => Ok(()),
        }
    }

    /// The names in the folder.
    pub(super) fn names(&self) -> Result<Vec<String>, AuthorityError> {
        let list = || fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>();
        list().map_err(AuthorityError::file(&self.0))
    }

    /// The content of the file; `None` when it is not there.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, AuthorityError> {
        let path = self.path(name);
        let Some(file) = self.open_file(name, false)? else { return Ok(None) };
        // Its full size at once: a string that grows leaves pieces of a secret behind.
        let mut text =
            Zeroizing::new(String::with_capacity(usize::try_from(file.metadata().map_or(0, |m| m.len()).min(MAX_BYTES)).unwrap_or(0) + 1));
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(AuthorityError::file(&path))?;
        Ok(Some(text))
    }

    /// The private key in the file, which nobody else may read; `None` when it is not there.
    pub(super) fn read_key(&self, name: &str) -> Result<Option<PrivateKey>, AuthorityError> {
        let path = self.path(name);
        if let Some(file) = self.open_file(name, false)? {
            refuse_open(&path, file.metadata().map_err(AuthorityError::file(&path))?.mode())?;
        }
        let Some(text) = self.read(name)? else { return Ok(None) };
        let key = PrivateKey::from_openssh(text.as_bytes()).map_err(|e| AuthorityError::content(&path, e))?;
        if key.is_encrypted() {
            Err(AuthorityError::content(&path, "the key has a passphrase; an SSH agent can hold it instead"))
        } else {
            Ok(Some(key))
        }
    }

    /// Writes a private key, mode 0600, in OpenSSH's format.
    pub(super) fn write_key(&self, name: &str, key: &PrivateKey) -> Result<(), AuthorityError> {
        self.replace(name, key.to_openssh(LineEnding::LF)?.as_bytes(), 0o600)
    }

    /// Overwrites and removes a private key that nobody needs any more. Best effort: a disk may keep old blocks. Gives it another
    /// name first, so that after a crash nobody takes half a key for a damaged one; begins with what such a crash has left.
    pub(super) fn destroy(&self, name: &str) -> Result<(), AuthorityError> {
        self.shred(WASTE)?;
        self.shred(&format!("{name}.tmp"))?;
        if self.open_file(name, false)?.is_some() {
            self.rename(name, WASTE)?;
            self.shred(WASTE)?;
        }
        Ok(())
    }

    fn shred(&self, name: &str) -> Result<(), AuthorityError> {
        if let Some(file) = self.open_file(name, true)? {
            overwrite(file).map_err(AuthorityError::file(&self.path(name)))?;
        }
        self.remove(name)
    }

    fn open_file(&self, name: &str, write: bool) -> Result<Option<File>, AuthorityError> {
        let path = self.path(name);
        let file = match OpenOptions::new().read(true).write(write).custom_flags(no_follow()).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => return Err(AuthorityError::NotPlain(path)),
            Err(e) => return Err(AuthorityError::File { path, source: e }),
        };
        let plain = file.metadata().map_err(AuthorityError::file(&path))?.is_file();
        if plain { Ok(Some(file)) } else { Err(AuthorityError::NotPlain(path)) }
    }
}

fn overwrite(mut file: File) -> io::Result<()> {
    let found = file.metadata()?;
    if found.nlink() > 1 {
        // It goes by another name too, and is not ours to overwrite.
        return Ok(());
    }
    let length = found.len().min(MAX_BYTES);
    file.rewind()?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()?;
    file.set_len(0)
}

fn refuse_open(path: &Path, mode: u32) -> Result<(), AuthorityError> {
    let mode = mode & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(AuthorityError::Open { path: path.to_owned(), mode }) }
}

/// Nonblocking too, so that a pipe in a file's place cannot hang us.
fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

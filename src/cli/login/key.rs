//! The key that a login certifies: the user's own, a new one at the default place, or one that lives only as long as the
//! command, for the agent. A private key is made here only if there is none, and never leaves its file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::super::Exit;
use super::private_folder;

/// A key pair on disk.
pub(super) struct Key {
    private: PathBuf,
    public: PublicKey,
    /// Holds the pair when it is not to outlive the command.
    passing: Option<TempDir>,
}

impl Key {
    /// The key at `wanted`, made if it is not there, or at the default place, or a passing one if only the agent is to have it.
    pub(super) fn prepare(wanted: Option<&Path>, for_agent: bool) -> Result<Self, Exit> {
        match wanted {
            Some(path) => {
                let private = without_pub(path);
                if !private.exists() && !with_ending(&private, ".pub").exists() {
                    make(&private)?;
                }
                Self::at(&private)
            }
            None if for_agent => Self::passing(),
            None => Self::at_default(),
        }
    }

    fn at(private: &Path) -> Result<Self, Exit> {
        let public = read_public(private)?;
        if public.algorithm().is_rsa() || public.algorithm() == Algorithm::Dsa {
            return Err(Exit::usage(format!(
                "{}: certificates are for Ed25519 and ECDSA keys; leave --key away to get one",
                private.display()
            )));
        }
        Ok(Self { private: private.to_owned(), public, passing: None })
    }

    fn at_default() -> Result<Self, Exit> {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let folder = home.ok_or_else(|| Exit::usage("HOME is not set; name a key with --key FILE"))?.join(".ssh");
        let private = folder.join("id_bartizan");
        if !private.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|e| cannot(&folder, &e))?;
            make(&private)?;
        }
        Self::at(&private)
    }

    fn passing() -> Result<Self, Exit> {
        let folder = private_folder().map_err(|e| Exit::incomplete(format!("cannot make a private folder: {e}")))?;
        let private = folder.path().join("id_bartizan");
        make(&private)?;
        Ok(Self { passing: Some(folder), ..Self::at(&private)? })
    }

    /// The public half.
    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The private key's file, while the command runs.
    pub(super) fn file(&self) -> &Path {
        &self.private
    }

    /// The private key's file, if it stays.
    pub(super) fn path(&self) -> Option<&Path> {
        self.passing.is_none().then_some(self.private.as_path())
    }

    /// Where ssh and ssh-add look for the certificate: `KEY-cert.pub` (ssh(1), `-i`).
    pub(super) fn certificate_file(&self) -> PathBuf {
        with_ending(&self.private, "-cert.pub")
    }

    /// The certificate's file, if it stays.
    pub(super) fn certificate_path(&self) -> Option<PathBuf> {
        self.passing.is_none().then(|| self.certificate_file())
    }

    /// The public half as a program's standard input.
    pub(super) fn public_on_stdin(&self) -> Result<Stdio, Exit> {
        let write = || -> std::io::Result<File> {
            let mut file = tempfile::tempfile()?;
            writeln!(file, "{}", self.public.to_openssh().map_err(std::io::Error::other)?)?;
            file.rewind()?;
            Ok(file)
        };
        write().map(Stdio::from).map_err(|e| Exit::incomplete(format!("cannot hand over the public key: {e}")))
    }
}

/// `KEY.pub` beside the key, or else the public part of the key's file, which is readable without its passphrase.
fn read_public(private: &Path) -> Result<PublicKey, Exit> {
    let public = with_ending(private, ".pub");
    if let Ok(text) = fs::read_to_string(&public) {
        return PublicKey::from_openssh(text.trim()).map_err(|e| Exit::usage(format!("{}: {e}", public.display())));
    }
    let text = fs::read_to_string(private).map_err(|e| Exit::usage(format!("{}: {e}", private.display())))?;
    let key =
        PrivateKey::from_openssh(&text).map_err(|e| Exit::usage(format!("{}: {e}; is there a .pub beside it?", private.display())))?;
    Ok(key.public_key().clone())
}

fn make(private: &Path) -> Result<(), Exit> {
    let (secret, public) = random().map_err(|e| Exit::incomplete(format!("cannot make a key: {e}")))?;
    // The public half first: a private key without it would be taken for finished.
    let public_file = with_ending(private, ".pub");
    let _old = fs::remove_file(&public_file);
    write_new(&public_file, 0o644, &format!("{public}\n")).map_err(|e| cannot(&public_file, &e))?;
    write_new(private, 0o600, &secret).map_err(|e| cannot(private, &e))
}

/// A new key's two halves as OpenSSH writes them.
fn random() -> Result<(Zeroizing<String>, String), russh::keys::ssh_key::Error> {
    let mut key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)?;
    key.set_comment("bartizan");
    Ok((key.to_openssh(LineEnding::LF)?, key.public_key().to_openssh()?))
}

fn write_new(path: &Path, mode: u32, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn cannot(path: &Path, error: &std::io::Error) -> Exit {
    Exit::incomplete(format!("{}: {error}", path.display()))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Who names `KEY.pub` means `KEY`.
fn without_pub(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|ending| ending == "pub") { path.with_extension("") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_key_is_the_users_alone_and_can_be_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let private = folder.path().join("id");
        make(&private).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&private), mode(&with_ending(&private, ".pub"))), (0o600, 0o644));
        let key = Key::prepare(Some(&folder.path().join("id.pub")), false).unwrap();
        assert_eq!(key.path(), Some(private.as_path()));
        assert_eq!(key.certificate_file(), folder.path().join("id-cert.pub"));
        fs::remove_file(with_ending(&private, ".pub")).unwrap();
        assert_eq!(Key::prepare(Some(&private), false).unwrap().public().key_data(), key.public().key_data());
    }

    #[test]
    fn a_passing_key_leaves_nothing_behind() {
        let key = Key::prepare(None, true).unwrap();
        let file = key.file().to_owned();
        assert!(file.exists() && key.path().is_none());
        let mode = fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        drop(key);
        assert!(!file.exists());
    }

    #[test]
    fn a_key_that_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let private = folder.path().join("id");
        fs::write(&private, "mine").unwrap();
        assert!(make(&private).is_err());
        assert_eq!(fs::read_to_string(&private).unwrap(), "mine");
    }
}

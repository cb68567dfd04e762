//! The `bartizan login` side of askpass: a private folder with a link to ourselves and a socket. The one question taken
//! there is a browser login's; it sends the user to the page and answers with what came back.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::symlink;

use openidconnect::url::{Url, form_urlencoded};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::super::Exit;
use super::askpass::{NAME, SOCKET};
use super::browser;
use super::callback::Callback;
use super::private_folder;
use crate::model::code_login;

/// The longest prompt that is read, in bytes.
const LONGEST_PROMPT: u64 = 16 * 1024;

/// How the browser came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirected {
    /// With a code.
    Done,
    /// With an error of the person's or the provider's.
    Denied,
}

/// The place where our askpass asks.
pub(super) struct Questions {
    /// Mode 0700: the link and the socket are for this user alone.
    folder: TempDir,
    listener: UnixListener,
}

impl Questions {
    pub(super) fn listen() -> Result<Self, Exit> {
        let make = || -> io::Result<Self> {
            let folder = private_folder()?;
            symlink(std::env::current_exe()?, folder.path().join(NAME))?;
            let listener = UnixListener::bind(folder.path().join(SOCKET))?;
            Ok(Self { folder, listener })
        };
        make().map_err(|e| Exit::incomplete(format!("cannot prepare to answer ssh: {e}")))
    }

    /// What ssh needs to ask us (OpenSSH 8.4 and later).
    pub(super) fn environment(&self) -> [(&'static str, OsString); 2] {
        [("SSH_ASKPASS", self.folder.path().join(NAME).into()), ("SSH_ASKPASS_REQUIRE", "force".into())]
    }

    /// Waits for the question, sends the user to the page, and answers with the redirect's query.
    pub(super) async fn answer(&self, callback: &Callback, quietly: bool) -> Result<Redirected, Exit> {
        let lost = |e: io::Error| Exit::incomplete(format!("ssh's question was lost: {e}"));
        let (stream, _) = self.listener.accept().await.map_err(lost)?;
        self.answer_one(stream, callback, quietly).await
    }

    async fn answer_one(&self, mut stream: UnixStream, callback: &Callback, quietly: bool) -> Result<Redirected, Exit> {
        let lost = |e: io::Error| Exit::incomplete(format!("ssh's question was lost: {e}"));
        let mut prompt = String::new();
        (&mut stream).take(LONGEST_PROMPT).read_to_string(&mut prompt).await.map_err(lost)?;
        let url = code_login::url_of_prompt(&prompt).filter(|url| ends_at(url, &callback.uri()));
        let url = url.ok_or_else(|| Exit::incomplete("the bastion sent something that is not a login page ending here"))?;
        send_user_to(url, quietly);
        let query = callback.wait_for(url).await?;
        stream.write_all(query.as_bytes()).await.map_err(lost)?;
        stream.shutdown().await.map_err(lost)?;
        let denied = form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "error");
        Ok(if denied { Redirected::Denied } else { Redirected::Done })
    }

    /// Answers with one part of a workload token.
    pub(super) async fn hand_over(&self, part: &str) -> Result<(), Exit> {
        let lost = |e: io::Error| Exit::incomplete(format!("ssh's question was lost: {e}"));
        let (mut stream, _) = self.listener.accept().await.map_err(lost)?;
        let mut prompt = String::new();
        (&mut stream).take(LONGEST_PROMPT).read_to_string(&mut prompt).await.map_err(lost)?;
        if !code_login::is_token_prompt(&prompt) {
            return Err(Exit::incomplete("the bastion asked for something that is not the token"));
        }
        stream.write_all(part.as_bytes()).await.map_err(lost)?;
        stream.shutdown().await.map_err(lost)
    }

    /// The private folder.
    #[cfg(test)]
    fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// Whether the page at `url` will send the browser to `redirect`, and so to us and nobody else.
fn ends_at(url: &str, redirect: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.query_pairs().any(|(key, value)| key == "redirect_uri" && value == redirect))
}

fn send_user_to(url: &str, quietly: bool) {
    let opened = !quietly && browser::open(url);
    let words = if opened { "Your browser is opening; if it is not, log in at:" } else { "Log in at:" };
    let _gone = writeln!(io::stderr(), "{words}\n\n    {url}\n");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_page_that_ends_elsewhere_is_not_opened() {
        let own = "http://127.0.0.1:4321/callback";
        assert!(ends_at("https://idp/auth?redirect_uri=http%3A%2F%2F127.0.0.1%3A4321%2Fcallback", own));
        for other in ["https://idp/auth", "https://idp/auth?redirect_uri=https%3A%2F%2Fevil.example", "nonsense"] {
            assert!(!ends_at(other, own), "{other}");
        }
    }

    #[tokio::test]
    async fn questions_come_from_this_user_only() {
        let questions = Questions::listen().unwrap();
        let mode = std::fs::metadata(questions.folder()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        let [(_, program), _] = questions.environment();
        assert_eq!(std::fs::read_link(program).unwrap(), std::env::current_exe().unwrap());
    }

    #[tokio::test]
    async fn what_is_no_login_page_is_refused() {
        let (questions, callback) = (Questions::listen().unwrap(), Callback::listen(0).await.unwrap());
        let mut stream = UnixStream::connect(questions.folder().join(SOCKET)).await.unwrap();
        stream.write_all(code_login::prompt("https://evil.example/?redirect_uri=x").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(questions.answer(&callback, true).await.is_err());
    }
}

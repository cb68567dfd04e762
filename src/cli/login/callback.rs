//! The loopback address at which a browser login ends (RFC 8252 section 7.3). Takes one redirect, the one that carries the
//! login's own state; everything else that comes there is turned away and changes nothing.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::Exit;
use crate::identity::oidc::query_answers;

/// A request's head may be this long, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// And take this long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once; browsers open some in advance and leave them silent.
const CONNECTIONS: usize = 16;

/// The listening address.
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Listens on loopback, at `port` or any free one.
    pub(super) async fn listen(port: u16) -> Result<Self, Exit> {
        let fail = |e: io::Error| Exit::incomplete(format!("cannot listen on 127.0.0.1:{port} for the browser: {e}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(fail)?;
        let port = listener.local_addr().map_err(fail)?.port();
        Ok(Self { listener, port })
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The redirect address as the identity provider is told it.
    pub(super) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}/callback", self.port)
    }

    /// The raw query of the redirect that ends the login begun at `url`.
    pub(super) async fn wait_for(&self, url: &str) -> Result<String, Exit> {
        let mut visits = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if visits.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => visits.push(tokio::time::timeout(PATIENCE, self.serve(stream, url))),
                    Err(error) => return Err(Exit::incomplete(format!("cannot take the browser's visit: {error}"))),
                },
                Some(visit) = visits.next(), if !visits.is_empty() => {
                    if let Ok(Ok(Some(query))) = visit {
                        return Ok(query);
                    }
                }
            }
        }
    }

    async fn serve(&self, mut stream: TcpStream, url: &str) -> io::Result<Option<String>> {
        let Some(head) = read_head(&mut stream).await? else { return Ok(None) };
        let query = self.query_of(&head).filter(|query| query_answers(url, query));
        let page = match query {
            Some(query) if query.split('&').any(|part| part.starts_with("error=")) => REFUSED,
            Some(_) => RECEIVED,
            None => STRANGE,
        };
        let status = if query.is_some() { "200 OK" } else { "404 Not Found" };
        let found = query.map(str::to_owned);
        let sent = stream.write_all(answer(status, page).as_bytes()).await;
        // The redirect counts even if the browser did not wait for its page.
        if found.is_none() {
            sent?;
        }
        let _gone = stream.shutdown().await;
        Ok(found)
    }

    /// The query of a `GET /callback?…` that was sent to us by our own name, and not by way of a name that only points here.
    fn query_of<'a>(&self, head: &'a str) -> Option<&'a str> {
        let mut lines = head.split("\r\n");
        let target = lines.next()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
        let host = lines.find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("host")))?.1.trim();
        (host == format!("127.0.0.1:{}", self.port)).then(|| target.strip_prefix("/callback?"))?
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while head.len() < LONGEST_HEAD {
        let mut chunk = [0; 2048];
        let got = stream.read(&mut chunk).await?;
        let Some(bytes) = chunk.get(..got).filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
        head.extend_from_slice(bytes);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            head.truncate(end);
            return Ok(String::from_utf8(head).ok());
        }
    }
    Ok(None)
}

const RECEIVED: &str = "Your login has arrived at the terminal. You can close this page.";
const REFUSED: &str = "The login was refused. The terminal says what to do; you can close this page.";
const STRANGE: &str = "This is not the end of a login.";

fn answer(status: &str, sentence: &str) -> String {
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Bartizan</title>\
         <body style=\"font:1.2em sans-serif;margin:4em auto;max-width:30em\"><h1>Bartizan</h1><p>{sentence}</p></body></html>\n"
    );
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nConnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://idp.example/auth?state=right";

    async fn visit(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn get(port: u16, target: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
    }

    #[tokio::test]
    async fn only_the_redirect_with_the_logins_own_state_ends_it() {
        let callback = Callback::listen(0).await.unwrap();
        let port = callback.port();
        let strangers = async {
            let _silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let requests = [
                get(port, "/favicon.ico"),
                get(port, "/callback"),
                get(port, "/callback?code=evil&state=wrong"),
                get(port, "/other?code=evil&state=right"),
                format!("POST /callback?code=evil&state=right HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"),
                format!("GET /callback?code=evil&state=right HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"),
                "GET /callback?code=evil&state=right HTTP/1.1\r\n\r\n".to_owned(),
                "nonsense\r\n\r\n".to_owned(),
            ];
            for request in requests {
                let answer = visit(port, &request).await;
                assert!(answer.starts_with("HTTP/1.1 404"), "{request}: {answer}");
            }
            visit(port, &get(port, "/callback?code=good&state=right")).await
        };
        let (query, answer) = tokio::join!(callback.wait_for(URL), strangers);
        assert_eq!(query.unwrap(), "code=good&state=right");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("has arrived"), "{answer}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_as_one_and_nothing_of_the_query_is_on_the_page() {
        let callback = Callback::listen(0).await.unwrap();
        let request = get(callback.port(), "/callback?error=<script>&state=right");
        let (query, answer) = tokio::join!(callback.wait_for(URL), visit(callback.port(), &request));
        assert!(query.is_ok() && answer.contains("was refused") && !answer.contains("<script>"), "{answer}");
    }

    #[tokio::test]
    async fn a_head_without_end_is_cut_off() {
        let callback = Callback::listen(0).await.unwrap();
        let port = callback.port();
        let flood = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
            visit(port, &get(port, "/callback?code=c&state=right")).await
        };
        let (query, _) = tokio::join!(callback.wait_for(URL), flood);
        assert!(query.is_ok());
    }
}

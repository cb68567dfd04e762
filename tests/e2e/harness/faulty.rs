//! A proxy before an HTTP server that lets requests fail in the ways that networks and servers do: each fault is used once, in
//! order, or always the same one. What it lets through it passes on byte for byte.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered with this status and goes no further.
    Status(u16),
    /// The connection is reset before the server sees it.
    Reset,
    /// The server does it, and the answer is lost.
    AnswerLost,
    /// The answer is cut in the middle.
    AnswerCut,
    /// One bit of the answer's body is another.
    AnswerChanged,
    /// One bit of what is sent is another.
    UploadChanged,
    /// It takes this long.
    Slow(Duration),
}

#[derive(Default)]
struct Plan {
    next: VecDeque<Fault>,
    always: Option<Fault>,
    seen: u64,
    failed: u64,
}

/// The proxy; its threads end with the test's process.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) port: u16,
    plan: Arc<Mutex<Plan>>,
}

impl Faulty {
    /// Before the server on `server`.
    pub(crate) fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let faulty = Self { port: listener.local_addr().unwrap().port(), plan: Arc::default() };
        let plan = Arc::clone(&faulty.plan);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let plan = Arc::clone(&plan);
                // A client that goes away in the middle is what this is for.
                std::thread::spawn(move || serve(&client, server, &plan));
            }
        });
        faulty
    }

    /// The next requests fail so.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan.lock().unwrap().next.extend(faults);
    }

    /// All requests fail so, or with none go through.
    pub(crate) fn always(&self, fault: Option<Fault>) {
        self.plan.lock().unwrap().always = fault;
    }

    /// Faults that were planned and have not happened yet.
    pub(crate) fn left(&self) -> usize {
        self.plan.lock().unwrap().next.len()
    }

    /// Requests that came, and those that were made to fail.
    pub(crate) fn counted(&self) -> (u64, u64) {
        let plan = self.plan.lock().unwrap();
        (plan.seen, plan.failed)
    }
}

struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
}

/// One request for each connection: the server is told to close it.
fn serve(client: &TcpStream, server: u16, plan: &Mutex<Plan>) -> Option<()> {
    client.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let mut request = read_request(client)?;
    let fault = {
        let mut plan = plan.lock().unwrap();
        let fault = plan.next.pop_front().or(plan.always);
        plan.seen += 1;
        plan.failed += u64::from(fault.is_some());
        fault
    };
    match fault {
        Some(Fault::Status(status)) => return answer(client, status),
        Some(Fault::Reset) => return reset(client),
        Some(Fault::UploadChanged) => flip(&mut request.body),
        Some(Fault::Slow(pause)) => std::thread::sleep(pause),
        _ => {}
    }
    let mut answer = ask(server, &request)?;
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    match fault {
        Some(Fault::AnswerLost) => return reset(client),
        Some(Fault::AnswerCut) => answer.truncate(body + (answer.len() - body) / 2),
        Some(Fault::AnswerChanged) => flip(&mut answer[body..]),
        _ => {}
    }
    let mut client = client;
    client.write_all(&answer).ok()?;
    client.shutdown(Shutdown::Write).ok()
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 4;
    }
}

/// The peer sees a reset: what was sent to us is not all read, and nothing lingers.
fn reset(client: &TcpStream) -> Option<()> {
    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO)).ok()
}

fn answer(mut client: &TcpStream, status: u16) -> Option<()> {
    let text = format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(text.as_bytes()).ok()?;
    client.shutdown(Shutdown::Write).ok()
}

fn read_request(mut client: &TcpStream) -> Option<Message> {
    let (mut bytes, mut block) = (Vec::new(), vec![0; 64 << 10]);
    let split = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match client.read(&mut block).ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&block[..read]),
        }
    };
    let mut body = bytes.split_off(split);
    let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    while body.len() < length {
        match client.read(&mut block).ok()? {
            0 => return None,
            read => body.extend_from_slice(&block[..read]),
        }
    }
    Some(Message { head: bytes, body })
}

fn ask(server: u16, request: &Message) -> Option<Vec<u8>> {
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).ok()?;
    let end = request.head.len() - 2;
    upstream.write_all(&request.head[..end]).ok()?;
    upstream.write_all(b"Connection: close\r\n\r\n").ok()?;
    upstream.write_all(&request.body).ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).ok()?;
    Some(answer)
}

//! From the client: reads its packets, passes on at once what concerns open files, and hands over what has to be decided. What is
//! not understood is answered so and goes nowhere.

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf};

use super::asking::{changes, paths};
use super::codec::{self, Extension, Greeting, Malformed, Request, code};
use super::files::FileNumber;
use super::order::{Class, last_name};
use super::session::{Expected, Job, Pending, Session, SftpError, State};
use super::stream::Stream;
use crate::gateways::ssh::pumps::Traffic;

/// What becomes of a packet.
enum Fate {
    /// It goes on under this number.
    Pass(u32),
    /// It is taken out, to be decided or to wait for its turn.
    Take(Class),
    /// The bastion answers.
    Answer(u32, u32, &'static str),
}

/// Reads until the client's channel ends.
pub(super) async fn intake(session: &Session<'_>, visitor: &mut ChannelReadHalf, traffic: &Traffic) -> Result<(), SftpError> {
    let mut stream = Stream::default();
    let mut greeted = false;
    loop {
        while !session.is_busy() && !session.to_target.is_full() && !session.to_visitor.is_full() {
            if !greeted {
                greeted = greet(session, &mut stream)?;
            }
            if session.state().home.is_none() || !next(session, &mut stream)? {
                break;
            }
        }
        send(session, &mut stream);
        let must_wait = session.is_busy() || stream.peek().map_err(client)?.is_some();
        if must_wait {
            wait(session).await;
            continue;
        }
        match visitor.wait().await {
            Some(ChannelMsg::Data { data }) => {
                // Nothing is done while nobody watches who has to.
                session.decider.moderation().opened().await;
                traffic.add_up(data.len());
                stream.feed(&data);
            }
            Some(ChannelMsg::Eof) => {
                let mut state = session.state();
                state.client_is_done = true;
                drop(state);
                settle(session);
            }
            Some(ChannelMsg::Close) | None => return Ok(()),
            Some(_) => {}
        }
    }
}

/// Waits until what was in the way may be over.
async fn wait(session: &Session<'_>) {
    if session.to_target.is_full() {
        session.to_target.room().await;
    } else {
        session.progress.notified().await;
    }
}

fn client(error: Malformed) -> SftpError {
    SftpError::Client(error.to_string())
}

fn send(session: &Session<'_>, stream: &mut Stream) {
    if let Some(run) = stream.flush() {
        session.to_target.packet(run);
    }
}

/// INIT, once it is there. Whatever the client can beyond version 3, and whatever it announces, the target hears of version 3.
fn greet(session: &Session<'_>, stream: &mut Stream) -> Result<bool, SftpError> {
    let Some(body) = stream.peek().map_err(client)? else { return Ok(false) };
    let greeting = Greeting::init(body).map_err(client)?;
    if greeting.version < codec::VERSION {
        return Err(SftpError::Client(format!("it speaks version {}, and the bastion version 3", greeting.version)));
    }
    drop(stream.take());
    session.state().greeted = true;
    let init = Greeting { version: codec::VERSION, extensions: Vec::new() };
    session.to_target.packet(init.init_packet());
    Ok(true)
}

/// Handles the next packet; false when there is none.
fn next(session: &Session<'_>, stream: &mut Stream) -> Result<bool, SftpError> {
    let Some(body) = stream.peek().map_err(client)? else { return Ok(false) };
    let mut state = session.state();
    let fate = match codec::read_request(body) {
        Ok((id, request)) => {
            let fate = judge(&mut state, id, &request);
            if !matches!(fate, Fate::Answer(..)) {
                state.clients.insert(id);
            }
            fate
        }
        Err(error) => unreadable(body, error)?,
    };
    if let Fate::Pass(id) = fate {
        stream.pass(id);
        return Ok(true);
    }
    send(session, stream);
    let packet = stream.take();
    match fate {
        Fate::Answer(id, code, sentence) => {
            drop(state);
            session.answer(id, code, sentence);
        }
        Fate::Take(class) if state.order.may_start(&class) => start(session, &mut state, packet, class),
        Fate::Take(class) => state.order.wait(packet, class),
        Fate::Pass(_) => {}
    }
    Ok(true)
}

fn unreadable(body: &[u8], error: Malformed) -> Result<Fate, SftpError> {
    match (codec::number(body), error) {
        (Some(id), Malformed::Kind(_)) => Ok(Fate::Answer(id, code::OP_UNSUPPORTED, "this request is not known in version 3")),
        (Some(id), _) => Ok(Fate::Answer(id, code::BAD_MESSAGE, "this request cannot be read, so it is refused")),
        (None, error) => Err(client(error)),
    }
}

fn judge(state: &mut State, id: u32, request: &Request<'_>) -> Fate {
    if state.clients.contains(&id) {
        return Fate::Answer(id, code::BAD_MESSAGE, "the number of this request is in use by another");
    }
    if let Request::Extended(extension) = request
        && !state.announced.contains(extension.name())
    {
        return Fate::Answer(id, code::OP_UNSUPPORTED, "this extension is not offered here");
    }
    let class = class(state, request);
    if needs_work(state, request) || !state.order.may_start(&class) {
        return Fate::Take(class);
    }
    match on_handle(state, id, request) {
        Ok(pending) => Fate::Pass(state.send(pending)),
        Err((code, sentence)) => Fate::Answer(id, code, sentence),
    }
}

/// Starts a request whose turn has come.
fn start(session: &Session<'_>, state: &mut State, packet: Bytes, class: Class) {
    let Ok((id, request)) = codec::read_request(packet.get(4..).unwrap_or_default()) else { return };
    if needs_work(state, &request) {
        let number = state.order.begin(class);
        session.job(state, Job::Operation(number, packet));
        return;
    }
    match on_handle(state, id, &request) {
        Ok(pending) => {
            let number = state.send(pending);
            session.to_target.packet(request.packet(number));
        }
        Err((code, sentence)) => {
            state.clients.remove(&id);
            session.answer(id, code, sentence);
        }
    }
}

/// Starts whatever may start now, and tells the target of the client's end once nothing is left.
pub(super) fn settle(session: &Session<'_>) {
    let mut state = session.state();
    while let Some(packet) = state.order.next_ready() {
        if let Ok((_, request)) = codec::read_request(packet.get(4..).unwrap_or_default()) {
            let class = class(&state, &request);
            start(session, &mut state, packet, class);
        }
    }
    let is_greeting = state.greeted && state.home.is_none();
    if state.client_is_done && state.order.is_idle() && !is_greeting {
        state.client_is_done = false;
        session.to_target.push(ChannelMsg::Eof);
    }
    drop(state);
    session.progress.notify_one();
}

/// Whether a request has to be decided or recorded before the target hears of it.
fn needs_work(state: &State, request: &Request<'_>) -> bool {
    match request {
        Request::Fsetstat { handle, .. } => {
            state.files.number(handle).and_then(|number| state.files.get(number)).is_some_and(|file| !file.opened.writes)
        }
        Request::Extended(Extension::CopyData { .. } | Extension::HomeDirectory { .. }) => true,
        request => paths(request).first.is_some(),
    }
}

fn class(state: &State, request: &Request<'_>) -> Class {
    let handles: Vec<&[u8]> = match request {
        Request::Extended(Extension::CopyData { from, to, .. }) => vec![from, to],
        Request::Close { handle }
        | Request::Read { handle, .. }
        | Request::Write { handle, .. }
        | Request::Fstat { handle }
        | Request::Fsetstat { handle, .. }
        | Request::Readdir { handle }
        | Request::Extended(Extension::Fstatvfs { handle } | Extension::Fsync { handle }) => vec![handle],
        request if changes(request) => {
            let paths = paths(request);
            return Class::Change(paths.first.iter().chain(&paths.second).map(|(path, _)| last_name(path)).collect());
        }
        _ => return Class::Look,
    };
    let files: Vec<FileNumber> = handles.into_iter().filter_map(|handle| state.files.number(handle)).collect();
    let names = files.iter().filter_map(|file| state.files.get(*file)).map(|file| last_name(file.opened.path.as_bytes())).collect();
    Class::Handle(files, names)
}

const NO_HANDLE: (u32, &str) = (code::FAILURE, "this handle is not open");
const NOT_OPENED_SO: (u32, &str) = (code::PERMISSION_DENIED, "the file was not opened for that");

/// A request on an open file, or on nothing that has a name: what it is at the target. Content that is written is hashed here.
fn on_handle(state: &mut State, client: u32, request: &Request<'_>) -> Result<Pending, (u32, &'static str)> {
    let number = |state: &State, handle: &[u8]| state.files.number(handle).ok_or(NO_HANDLE);
    let plain = |expected, file, lists| Ok(Pending::Plain { client, expected, file, lists });
    match request {
        Request::Read { handle, offset, length } => {
            let file = number(state, handle)?;
            let fits = state.files.get(file).is_some_and(|file| file.opened.reads && !file.opened.is_directory);
            if fits { Ok(Pending::Read { client, file, offset: *offset, length: *length }) } else { Err(NOT_OPENED_SO) }
        }
        Request::Write { handle, offset, data } => {
            let number = number(state, handle)?;
            let (file, room) = state.files.content(number).ok_or(NO_HANDLE)?;
            if !file.opened.writes || file.opened.is_directory {
                return Err(NOT_OPENED_SO);
            }
            file.written.take(*offset, data, room);
            Ok(Pending::Write { client, file: number })
        }
        Request::Close { handle } => {
            let file = number(state, handle)?;
            state.files.forget(handle);
            Ok(Pending::Close { client, file })
        }
        Request::Readdir { handle } => {
            let file = number(state, handle)?;
            let fits = state.files.get(file).is_some_and(|file| file.opened.is_directory);
            if fits { plain(Expected::Names, Some(file), true) } else { Err(NOT_OPENED_SO) }
        }
        Request::Fstat { handle } => plain(Expected::Attributes, Some(number(state, handle)?), false),
        Request::Extended(Extension::Fstatvfs { handle }) => plain(Expected::Extended, Some(number(state, handle)?), false),
        Request::Fsetstat { handle, .. } | Request::Extended(Extension::Fsync { handle }) => {
            plain(Expected::Status, Some(number(state, handle)?), false)
        }
        Request::Extended(Extension::Limits) => plain(Expected::Limits, None, false),
        Request::Extended(Extension::UsersGroupsById { .. }) => plain(Expected::Extended, None, false),
        _ => Err((code::OP_UNSUPPORTED, "this request is not offered here")),
    }
}

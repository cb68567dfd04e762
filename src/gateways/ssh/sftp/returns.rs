//! From the target: reads its packets, matches each with what was asked, hashes what was read, and passes on what is the client's.
//! An answer to nothing, or of the wrong kind, ends the session.

use bartizan_recorder::{Event, Exit};
use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf};

use super::codec::{self, Greeting, KNOWN, Limits, Malformed, Reply, code, lesser};
use super::files::MOST_OPEN;
use super::session::{Job, Pending, Session, SftpError, State};
use super::stream::Stream;
use crate::gateways::ssh::pumps::exit_of;
use crate::record::Piece;

/// What the bastion takes: a packet, one READ, one WRITE, open handles.
const OURS: Limits = [codec::LONGEST as u64, (codec::LONGEST - 1024) as u64, (codec::LONGEST - 1024) as u64, MOST_OPEN as u64];

/// What becomes of a packet.
enum Fate {
    /// It goes on under this number.
    Pass(u32),
    /// The bastion says something else instead.
    Instead(Bytes),
    /// It answers the bastion's own question, or is to be held back; it was for this.
    Own(Pending),
}

/// Reads until the target's channel ends. Gives the program's end, if it was told.
pub(super) async fn returns(session: &Session<'_>, target: &mut ChannelReadHalf) -> Result<Option<Exit>, SftpError> {
    let mut stream = Stream::default();
    let (mut greeted, mut exit) = (false, None);
    loop {
        session.to_visitor.room().await;
        let Some(message) = target.wait().await else { return Ok(exit) };
        session.decider.moderation().opened().await;
        match message {
            ChannelMsg::Data { data } => {
                stream.feed(&data);
                if !greeted {
                    greeted = greet(session, &mut stream)?;
                }
                while greeted && next(session, &mut stream)? {}
                if let Some(run) = stream.flush() {
                    session.to_visitor.packet(run);
                }
                session.progress.notify_one();
            }
            ChannelMsg::ExtendedData { data, ext } => {
                session.tape.write(vec![Piece::Stderr(data.clone())]).await?;
                session.to_visitor.push(ChannelMsg::ExtendedData { data, ext });
            }
            ChannelMsg::Close => return Ok(exit),
            message => {
                if let Some(told) = exit_of(&message) {
                    session.tape.write(vec![Piece::Event(Event::Exit(told.clone()))]).await?;
                    exit = Some(told);
                    session.to_visitor.push(message);
                }
            }
        }
    }
}

fn broken(error: Malformed) -> SftpError {
    SftpError::Target(error.to_string())
}

/// VERSION, once it is there: what the client hears of it is what the bastion understands as well.
fn greet(session: &Session<'_>, stream: &mut Stream) -> Result<bool, SftpError> {
    let Some(body) = stream.peek().map_err(broken)? else { return Ok(false) };
    let mut greeting = Greeting::version(body).map_err(broken)?;
    if greeting.version != codec::VERSION {
        return Err(SftpError::Target(format!("it was asked for version 3 and offers version {}", greeting.version)));
    }
    greeting.extensions.retain(|extension| KNOWN.contains(extension));
    let mut state = session.state();
    state.announced =
        KNOWN.iter().map(|(name, _)| *name).filter(|name| greeting.extensions.iter().any(|(known, _)| known == name)).collect();
    session.job(&mut state, Job::Greet(greeting.version_packet()));
    drop(state);
    drop(stream.take());
    Ok(true)
}

fn next(session: &Session<'_>, stream: &mut Stream) -> Result<bool, SftpError> {
    let Some(body) = stream.peek().map_err(broken)? else { return Ok(false) };
    let (id, reply) = codec::read_reply(body).map_err(broken)?;
    let mut state = session.state();
    let pending = state.pending.remove(&id).ok_or_else(|| SftpError::Target("it answers what was not asked".to_owned()))?;
    let fate = judge(session, &mut state, pending, &reply)?;
    if let Fate::Pass(client) = fate {
        state.clients.remove(&client);
        stream.pass(client);
        return Ok(true);
    }
    if let Some(run) = stream.flush() {
        session.to_visitor.packet(run);
    }
    let packet = stream.take();
    match fate {
        Fate::Instead(packet) => session.to_visitor.packet(packet),
        Fate::Own(Pending::Own(asker)) => {
            // Whoever asked may have gone with the session.
            let _ = asker.send(packet.slice(4..));
        }
        Fate::Own(Pending::Close { client, file }) => {
            state.clients.remove(&client);
            let mut reply = bytes::BytesMut::from(&packet[..]);
            if let Some(number) = reply.get_mut(codec::ID) {
                number.copy_from_slice(&client.to_be_bytes());
            }
            state.files.closed(file, reply.freeze());
            answered(session, &mut state, file);
        }
        Fate::Own(_) | Fate::Pass(_) => {}
    }
    Ok(true)
}

fn answered(session: &Session<'_>, state: &mut State, file: super::files::FileNumber) {
    if let Some((file, reply)) = state.files.answered(file) {
        if file.opened.is_directory {
            session.to_visitor.packet(reply);
        } else {
            session.job(state, Job::Closed(Box::new(file), reply));
        }
    }
}

fn judge(session: &Session<'_>, state: &mut State, pending: Pending, reply: &Reply<'_>) -> Result<Fate, SftpError> {
    let wrong = || SftpError::Target("it answers something else than was asked".to_owned());
    match pending {
        Pending::Own(_) => Ok(Fate::Own(pending)),
        Pending::Close { .. } if matches!(reply, Reply::Status { .. }) => Ok(Fate::Own(pending)),
        Pending::Read { client, file, offset, length } => {
            match reply {
                Reply::Data(data) if data.len() as u64 <= u64::from(length) => {
                    if let Some((file, room)) = state.files.content(file) {
                        file.read.take(offset, data, room);
                    }
                }
                Reply::Status { code, .. } if *code != code::OK => {}
                _ => return Err(wrong()),
            }
            answered(session, state, file);
            Ok(Fate::Pass(client))
        }
        Pending::Write { client, file } => {
            let Reply::Status { code, .. } = reply else { return Err(wrong()) };
            if *code != code::OK
                && let Some((file, room)) = state.files.content(file)
            {
                file.written.spoil("the target could not write all of it", room);
            }
            answered(session, state, file);
            Ok(Fate::Pass(client))
        }
        Pending::Plain { client, expected, file, lists } if expected.is(reply) => {
            if let Some(file) = file {
                answered(session, state, file);
            }
            plain(state, client, expected == super::session::Expected::Limits, lists, reply)
        }
        Pending::Decided { client, expected, opens, done } if expected.is(reply) => {
            if let (Reply::Handle(handle), Some(opens)) = (reply, opens) {
                let (opened, appends) = *opens;
                if !state.files.open(Bytes::copy_from_slice(handle), opened, appends) {
                    return Err(SftpError::Target("it gave the same handle twice".to_owned()));
                }
            }
            // Whoever waits for it is under way in the same task.
            let _ = done.send(());
            Ok(Fate::Pass(client))
        }
        _ => Err(wrong()),
    }
}

/// Two answers do not pass as they are: limits above the bastion's own, and lists of names that are no names (a client that
/// puts them together with its own folder would write elsewhere, as in CVE-2019-6111).
fn plain(state: &mut State, client: u32, limits: bool, lists: bool, reply: &Reply<'_>) -> Result<Fate, SftpError> {
    match reply {
        Reply::Extended(data) if limits => {
            let data = lesser(data, OURS).map_err(broken)?;
            state.clients.remove(&client);
            Ok(Fate::Instead(Reply::Extended(&data).packet(client)))
        }
        Reply::Names(names) if lists && names.iter().any(|name| name.name.contains(&b'/') || name.name.contains(&0)) => {
            state.clients.remove(&client);
            let sentence = "the target lists a name with a slash in it, so the list is refused";
            Ok(Fate::Instead(codec::status_packet(client, code::FAILURE, sentence)))
        }
        _ => Ok(Fate::Pass(client)),
    }
}

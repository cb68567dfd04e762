//! One request that has to be decided: where its paths lead, what policy says, the recording, and only then the target. A refusal
//! is an answer; the session goes on.

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::asking::{Questions, access, paths, resolved};
use super::codec::{self, APPEND, Extension, Reply, Request, code};
use super::files::{MOST_OPEN, Opened};
use super::intake::settle;
use super::notes::{self, Asked};
use super::resolver::{found_of, home_of, link_of};
use super::session::{Expected, Job, Pending, Session, SftpError};
use super::walk::{Found, Looks, PathError, Resolved, resolve, text};
use crate::enforce::Allowed;
use crate::frontdoor::{Cause, Refusal};
use crate::record::Tape;

/// Why a request does not reach the target.
enum Stop {
    /// This code and sentence are its answer.
    Answer(u32, String),
    /// It cannot be put to policy, which is noted.
    Unaskable(String),
    /// Policy said no, which is also shown.
    Refused(Refusal),
    /// The session cannot go on.
    End(SftpError),
}

impl From<PathError> for Stop {
    fn from(error: PathError) -> Self {
        Self::Unaskable(error.to_string())
    }
}

impl From<SftpError> for Stop {
    fn from(error: SftpError) -> Self {
        Self::End(error)
    }
}

/// Does one job.
pub(super) async fn work(session: &Session<'_>, job: Job) -> Result<(), SftpError> {
    match job {
        Job::Greet(version) => greet(session, version).await,
        Job::Closed(file, reply) => {
            let event = notes::closed(*file, &mut session.state().files.room, false);
            session.tape.write(event.into_iter().collect()).await?;
            session.to_visitor.packet(reply);
            Ok(())
        }
        Job::Operation(number, packet) => {
            let done = operation(session, number, &packet).await;
            session.state().order.end(number);
            settle(session);
            done
        }
    }
}

/// Finds the account's home, and says VERSION.
async fn greet(session: &Session<'_>, version: Bytes) -> Result<(), SftpError> {
    let packet = Asker(session).ask(&[Request::Realpath { path: b"." }]).await.into_iter().next().unwrap_or_default();
    let home = codec::read_reply(&packet).ok().and_then(|(_, reply)| home_of(&reply));
    let home = home.ok_or_else(|| SftpError::Target("it does not tell the account's home".to_owned()))?;
    session.state().home = Some(home);
    session.to_visitor.packet(version);
    settle(session);
    Ok(())
}

async fn operation(session: &Session<'_>, number: u64, packet: &Bytes) -> Result<(), SftpError> {
    let Ok((client, request)) = codec::read_request(packet.get(4..).unwrap_or_default()) else { return Ok(()) };
    let stop = match decided(session, number, client, request).await {
        Ok(()) => return Ok(()),
        Err(Stop::End(error)) => return Err(error),
        Err(stop) => stop,
    };
    session.state().clients.remove(&client);
    match stop {
        Stop::Answer(code, sentence) => session.answer(client, code, &sentence),
        Stop::Unaskable(sentence) => {
            session.tape.write(vec![Tape::note(format!("refused: {sentence}"))]).await?;
            // An audit log that cannot be written refuses too; the client hears no either way.
            let noted = session.decider.refused("a file over SFTP", &sentence).await;
            let sentence = noted.err().map_or(sentence, |refusal| refusal.sentence);
            session.show(&sentence);
            session.answer(client, code::PERMISSION_DENIED, &sentence);
        }
        Stop::Refused(refusal) => {
            let code = if refusal.cause == Cause::Unavailable { code::FAILURE } else { code::PERMISSION_DENIED };
            session.show(&refusal.sentence.replace('\n', " "));
            session.answer(client, code, &refusal.sentence);
        }
        Stop::End(error) => return Err(error),
    }
    Ok(())
}

async fn decided(session: &Session<'_>, number: u64, client: u32, request: Request<'_>) -> Result<(), Stop> {
    match request {
        Request::Fsetstat { handle, .. } => {
            let path = path_of(session, handle)?;
            let mut questions = Questions::new(&session.decider);
            questions.write(path);
            let allowed = decide(session, questions).await?;
            sent(session, number, client, &request, None, allowed).await
        }
        Request::Extended(Extension::CopyData { from, to, .. }) => copy(session, number, client, &request, (from, to)).await,
        Request::Extended(Extension::HomeDirectory { user }) => {
            if !user.is_empty() && user != session.decider.login().as_bytes() {
                return Err(Stop::Answer(code::PERMISSION_DENIED, "only the home of the own account is told".to_owned()));
            }
            sent(session, number, client, &request, None, None).await
        }
        request => on_paths(session, number, client, request).await,
    }
}

fn path_of(session: &Session<'_>, handle: &[u8]) -> Result<String, Stop> {
    let state = session.state();
    let file = state.files.number(handle).and_then(|number| state.files.get(number));
    file.map(|file| file.opened.path.clone()).ok_or_else(|| Stop::Answer(code::FAILURE, "this handle is not open".to_owned()))
}

async fn on_paths(session: &Session<'_>, number: u64, client: u32, request: Request<'_>) -> Result<(), Stop> {
    let home = session.state().home.clone().unwrap_or_default();
    let typed = paths(&request);
    let Some((path, last)) = typed.first else { return Err(Stop::Answer(code::OP_UNSUPPORTED, String::new())) };
    let asker = &mut Asker(session);
    if matches!(request, Request::Realpath { .. }) && (matches!(path, b"" | b"." | b"./") || path == home.as_bytes()) {
        // Every client asks this first, and it tells nothing that the account's name does not.
        return sent(session, number, client, &Request::Realpath { path: home.as_bytes() }, None, None).await;
    }
    let expanded = match request {
        Request::Extended(Extension::ExpandPath { path }) => Some(asker.expand(path).await?),
        _ => None,
    };
    let first = resolve(asker, &home, expanded.as_deref().unwrap_or(path), last).await?;
    let second = match typed.second {
        // What a symbolic link says starts where the link lies.
        Some((path, last)) if matches!(request, Request::Symlink { .. }) => Some(resolve(asker, parent(&first.path), path, last).await?),
        Some((path, last)) => Some(resolve(asker, &home, path, last).await?),
        None => None,
    };
    let mut questions = Questions::new(&session.decider);
    questions.of(&request, &first, second.as_ref());
    let allowed = decide(session, questions).await?;
    if allowed.as_ref().is_some_and(|allowed| allowed.grant().is_some()) {
        // People took their time, and the target may have changed meanwhile: what they approved is what was shown to them.
        let again = resolve(asker, &home, expanded.as_deref().unwrap_or(path), last).await?;
        let moved = match (&second, typed.second) {
            (Some(then), Some((path, last))) => {
                let from = if matches!(request, Request::Symlink { .. }) { parent(&again.path) } else { &home };
                resolve(asker, from, path, last).await?.path != then.path
            }
            _ => false,
        };
        if moved || again.path != first.path {
            return Err(Stop::Unaskable("what lies there changed while it waited for approval; ask again".to_owned()));
        }
    }
    let opens = opening(&request, &first);
    if opens.is_some() && session.state().files.count() >= MOST_OPEN {
        return Err(Stop::Answer(code::FAILURE, format!("more than {MOST_OPEN} files are open")));
    }
    let request = resolved(request, &first.path, second.as_ref().map(|second| second.path.as_str()));
    sent(session, number, client, &request, opens, allowed).await
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(parent, _)| parent)
}

/// What is open once the target says so: path, directory, reading, writing, appending.
type Opens = (String, bool, (bool, bool), bool);

fn opening(request: &Request<'_>, at: &Resolved) -> Option<Opens> {
    match request {
        Request::Open { flags, .. } => Some((at.path.clone(), false, access(*flags), flags & APPEND != 0)),
        Request::Opendir { .. } => Some((at.path.clone(), true, (false, false), false)),
        _ => None,
    }
}

/// Both files were decided when they were opened; what the target copies by itself cannot be hashed.
async fn copy(session: &Session<'_>, number: u64, client: u32, request: &Request<'_>, (from, to): (&[u8], &[u8])) -> Result<(), Stop> {
    let (source, target) = (path_of(session, from)?, path_of(session, to)?);
    {
        let mut state = session.state();
        let file = |handle| state.files.number(handle).and_then(|number| state.files.get(number));
        if !file(from).is_some_and(|file| file.opened.reads) || !file(to).is_some_and(|file| file.opened.writes) {
            return Err(Stop::Answer(code::PERMISSION_DENIED, "the files were not opened for that".to_owned()));
        }
        if let Some((file, room)) = state.files.number(to).and_then(|number| state.files.content(number)) {
            file.written.spoil("the target copied into it by itself", room);
        }
    }
    session.tape.write(notes::copied(&source, &target)).await.map_err(SftpError::from)?;
    sent(session, number, client, request, None, None).await
}

/// Policy's answer, in the audit log and in the recording.
async fn decide(session: &Session<'_>, Questions { asked, questions, .. }: Questions<'_>) -> Result<Option<Allowed>, Stop> {
    match session.decider.decide(questions).await {
        Ok(allowed) => {
            count(&asked, "allow");
            session.tape.write(notes::allowed(&asked, allowed.policies())).await.map_err(SftpError::from)?;
            Ok(Some(allowed))
        }
        Err(refusal) => {
            count(asked.get(..1).unwrap_or_default(), if refusal.cause == Cause::Held { "hold" } else { "deny" });
            session.tape.write(notes::refused(&asked, &refusal)).await.map_err(SftpError::from)?;
            Err(Stop::Refused(refusal))
        }
    }
}

fn count(asked: &[Asked], verdict: &'static str) {
    for one in asked {
        metrics::counter!("bartizan_sftp_operations_total", "action" => one.action, "verdict" => verdict).increment(1);
    }
}

/// Sends a request and waits for its answer, which goes to the client by itself. Its permission is kept as long.
async fn sent(
    session: &Session<'_>,
    number: u64,
    client: u32,
    request: &Request<'_>,
    opens: Option<Opens>,
    mut allowed: Option<Allowed>,
) -> Result<(), Stop> {
    let (done, answered) = oneshot::channel();
    let opens = match (opens, allowed.take()) {
        (Some((path, is_directory, (reads, writes), appends)), Some(permission)) => {
            Some(Box::new((Opened { path, is_directory, reads, writes, _allowed: permission }, appends)))
        }
        (_, permission) => {
            allowed = permission;
            None
        }
    };
    {
        let mut state = session.state();
        let id = state.send(Pending::Decided { client, expected: expected(request), opens, done });
        session.to_target.packet(request.packet(id));
        state.order.sent(number);
    }
    settle(session);
    // It is gone without an answer only when the session ends.
    let _ = answered.await;
    drop(allowed);
    Ok(())
}

fn expected(request: &Request<'_>) -> Expected {
    match request {
        Request::Open { .. } | Request::Opendir { .. } => Expected::Handle,
        Request::Stat { .. } | Request::Lstat { .. } => Expected::Attributes,
        Request::Realpath { .. } | Request::Readlink { .. } | Request::Extended(Extension::HomeDirectory { .. }) => Expected::Names,
        Request::Extended(Extension::Statvfs { .. }) => Expected::Extended,
        _ => Expected::Status,
    }
}

/// Asks the target on the session's own channel, under numbers that the client never sees.
struct Asker<'s, 'a>(&'s Session<'a>);

impl Asker<'_, '_> {
    /// The answers without their length fields; empty where the session ends before.
    async fn ask(&self, requests: &[Request<'_>]) -> Vec<Bytes> {
        let answers = requests.iter().map(|request| {
            let (asker, answer) = oneshot::channel();
            let id = self.0.state().send(Pending::Own(asker));
            self.0.to_target.packet(request.packet(id));
            answer
        });
        let answers: Vec<_> = answers.collect();
        join_all(answers).await.into_iter().map(Result::unwrap_or_default).collect()
    }

    async fn expand(&self, path: &[u8]) -> Result<Vec<u8>, Stop> {
        text(path)?;
        let packet = self.ask(&[Request::Extended(Extension::ExpandPath { path })]).await.into_iter().next().unwrap_or_default();
        let reply = codec::read_reply(&packet).map(|(_, reply)| reply);
        let expanded = reply.ok().as_ref().and_then(link_of).filter(|path| path.starts_with(b"/"));
        expanded.ok_or_else(|| Stop::Answer(code::NO_SUCH_FILE, "the target does not know this path".to_owned()))
    }
}

impl Looks for Asker<'_, '_> {
    type Error = Stop;

    async fn look(&mut self, paths: &[String]) -> Result<Vec<Found>, Stop> {
        let requests: Vec<_> = paths.iter().map(|path| Request::Lstat { path: path.as_bytes() }).collect();
        let answers = self.ask(&requests).await;
        answers.iter().map(|packet| Ok(found_of(&read(packet)?)?)).collect()
    }

    async fn link(&mut self, path: &str) -> Result<Option<Vec<u8>>, Stop> {
        let answers = self.ask(&[Request::Readlink { path: path.as_bytes() }]).await;
        answers.first().map_or(Ok(None), |packet| Ok(link_of(&read(packet)?)))
    }
}

fn read(packet: &Bytes) -> Result<Reply<'_>, SftpError> {
    codec::read_reply(packet).map(|(_, reply)| reply).map_err(|error| SftpError::Target(error.to_string()))
}

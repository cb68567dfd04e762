//! One request: read, decided, recorded, forwarded; and the beginning of its answer.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bartizan_policies::HttpRequest;
use bartizan_policies::http::{Target, read};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::sync::Notify;

use crate::enforce::{Allowed, Decider, Question};
use crate::frontdoor::{Cause, Refusal};
use crate::model::Printable;
use crate::record::{Piece, SOON, Tape, TapeError};

use super::body::{Answer, Body, Called, Kept, Meter, Source};
use super::dialect::{Dialect, Passage, Seen};
use super::fields::{Masked, Readable};
use super::headers::{self, Caller};
use super::origin::{Headers, Pool, Sender, Unanswered};
use super::problem::Problem;
use super::tasks::Tasks;
use super::upload::{self, Upload};
use super::{notes, upgrade};

/// What all requests of a session share.
pub(super) struct Shared {
    pub(super) dialect: Arc<dyn Dialect>,
    pub(super) decider: Decider,
    pub(super) tape: Tape,
    pub(super) pool: Pool,
    pub(super) tasks: Tasks,
    pub(super) caller: Caller,
    pub(super) mask_key: Arc<[u8]>,
    pub(super) requests: AtomicU64,
    /// Somebody writes what was left to be recorded, soon or as soon as there is much of it.
    pub(super) will_write: AtomicBool,
    pub(super) much_is_left: Notify,
    /// Why the session cannot go on.
    pub(super) failed: Mutex<Option<TapeError>>,
    /// The exit code of a command that was run.
    pub(super) exit: Mutex<Option<i32>>,
}

impl Shared {
    /// Records `pieces`; a session that cannot be recorded ends.
    pub(super) async fn write(&self, pieces: Vec<Piece>) -> Result<(), Problem> {
        self.tape.write(pieces).await.map_err(|error| {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.sentence());
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.tasks.end();
            problem
        })
    }

    /// Records `piece`, what came of a request, with what comes next or soon.
    pub(super) fn leave(self: &Arc<Self>, piece: Piece) {
        if self.tape.leave(piece) {
            self.much_is_left.notify_one();
        }
        if self.will_write.swap(true, Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(self);
        self.tasks.finish(async move {
            tokio::select! {
                () = tokio::time::sleep(SOON) => {}
                () = shared.much_is_left.notified() => {}
                // At its end, the session does not wait.
                () = shared.tasks.over() => {}
            }
            shared.will_write.store(false, Ordering::SeqCst);
            drop(shared.write(Vec::new()).await);
        });
    }
}

/// Answers one request.
pub(super) async fn exchange(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let dialect = Arc::clone(&shared.dialect);
    Ok(attempt(shared, request).await.unwrap_or_else(|problem| dialect.tell(&problem)))
}

async fn attempt(shared: Arc<Shared>, mut request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    let (begun, number) = (Instant::now(), shared.requests.fetch_add(1, Ordering::Relaxed) + 1);
    let upgrade = headers::upgrade(request.headers());
    let line = Line::of(&request);
    let mut facts = match understand(&request, upgrade.as_ref(), &shared.pool.server().policy_headers) {
        Ok(facts) => facts,
        Err(problem) => return Err(unread(&shared, number, &line, problem).await?),
    };
    let has_body = !request.body().is_end_stream();
    let from_client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let (head, mut body) = Upload::of(request);
    if shared.dialect.decides_bodies() {
        body = match upload::look(&shared.decider, &mut facts, &head.headers, body, upgrade.is_some()).await {
            Ok(body) => body,
            Err(problem) => return Err(unread(&shared, number, &line, problem).await?),
        };
    }
    let seen = Seen { request: &facts, headers: &head.headers, upgrade: upgrade.as_ref(), has_body };
    let meant = match shared.dialect.read(seen) {
        Ok(meant) => meant,
        Err(problem) => return Err(unread(&shared, number, &line, problem).await?),
    };
    let asked = notes::Asked { number, request: &facts, told: meant.told() };
    // It is recorded while its verdict is written to the audit log, and goes on when both are done.
    let recording = |allowed: &Allowed| {
        let passage = meant.passage(&shared.decider);
        let note = passage.is_ok().then(|| notes::allowed(&asked, allowed, body.text()));
        let shared = &shared;
        async move {
            match note {
                Some(note) => shared.write(vec![note]).await.map(|()| passage),
                None => Ok(passage),
            }
        }
    };
    let (allowed, passage) = match decide(&shared, meant.questions(), body.text(), recording).await {
        Ok((allowed, recorded)) => (allowed, recorded?),
        Err(refusal) => return Err(refused(&shared, &asked, &refusal).await?),
    };
    let passage = match passage {
        Ok(passage) => passage,
        Err(sentence) => return Err(refused(&shared, &asked, &Refusal::denied(sentence.clone(), sentence)).await?),
    };
    // It looks at the head, which goes on.
    drop(meant);
    count("allow");
    let call = Called {
        number,
        begun,
        operation: format!("{} {}", facts.method, facts.target()),
        policies: allowed.policies().to_vec(),
        bytes: body.text().map_or(facts.size, |text| Some(text.len() as u64)),
    };
    forward(shared, Sent { head, body, from_client, target: facts.target(), upgrade, passage, allowed, call }).await
}

/// Asks policy, and has `beside` done. Whoever is asked then sees all that would be done.
async fn decide<F: Future>(
    shared: &Shared,
    questions: Vec<Question>,
    body: Option<&str>,
    beside: impl FnOnce(&Allowed) -> F,
) -> Result<(Allowed, F::Output), Refusal> {
    let with = |text| format!("{} with the body {}", questions.first().map_or("", Question::operation), Printable(text));
    let shown = body.map(with);
    shared.decider.decide_beside(questions, shown, beside).await
}

/// The first line of a request, as it came.
struct Line {
    method: Method,
    target: Uri,
}

impl Line {
    fn of(request: &Request<Incoming>) -> Self {
        Self { method: request.method().clone(), target: request.uri().clone() }
    }
}

/// A request that is let through.
struct Sent {
    head: hyper::http::request::Parts,
    body: Upload,
    /// The connection itself, where it is to become another protocol's.
    from_client: Option<hyper::upgrade::OnUpgrade>,
    /// Path and query.
    target: String,
    upgrade: Option<HeaderValue>,
    passage: Passage,
    allowed: Allowed,
    call: Called,
}

async fn forward(shared: Arc<Shared>, sent: Sent) -> Result<Response<Body>, Problem> {
    let Sent { mut head, body, from_client, target, upgrade, passage, allowed, call } = sent;
    let Passage { fields, accept, many, relay, offer } = passage;
    let (server, is_upgrade) = (shared.pool.server(), upgrade.is_some());
    let own = match server.origin.headers().await {
        Ok(own) => own,
        Err(refusal) => return Err(unanswered(&shared, call, Unanswered::Refusal(refusal)).await?),
    };
    headers::to_server(&mut head.headers, &own, &shared.caller, upgrade.as_ref(), fields.is_some());
    if let Some(accept) = accept {
        head.headers.insert(ACCEPT, accept);
    }
    if let Some((name, value)) = offer {
        head.headers.insert(name, value);
    }
    if relay.is_some() {
        // What passes is to be read: nobody packs it.
        head.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    }
    head.uri = uri(&server.prefix, &target)?;
    head.extensions.clear();
    let again = body.again().map(|body| (head.clone(), body));
    let request = Request::from_parts(head, body.into_body());
    let sent = match shared.pool.send(request, is_upgrade).await {
        Ok((answer, sender)) if answer.status() == StatusCode::UNAUTHORIZED => {
            send_again(&shared, again, own, (answer, sender), is_upgrade).await
        }
        sent => sent,
    };
    let (answer, sender) = match sent {
        Ok(answered) => answered,
        Err(failed) => return Err(unanswered(&shared, call, failed).await?),
    };
    let (mut head, body) = answer.into_parts();
    let kept = Kept { shared: Arc::clone(&shared), call: call.clone(), status: head.status, allowed, sender };
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return match (from_client, upgrade) {
            (Some(from_client), Some(protocol)) => upgrade::turn(head, body, from_client, protocol, kept, relay),
            _ => Err(cut(&shared, call, "the server turns the connection into another protocol's, unasked").await?),
        };
    }
    let meter = Arc::new(Meter::default());
    let source = match fields {
        Some(fields) if !body.is_end_stream() => match Readable::of(&head.headers, many) {
            Ok(readable) => Source::Masked(Box::new(Masked::new(body, readable, fields, &shared.mask_key, Arc::clone(&meter)))),
            Err(why) => return Err(cut(&shared, call, &why).await?),
        },
        _ => Source::Plain(body),
    };
    headers::to_client(&mut head.headers, server, matches!(source, Source::Masked(_)));
    head.version = Version::default();
    head.extensions.clear();
    Ok(Response::from_parts(head, Answer::new(source, meter, kept).boxed_unsync()))
}

/// The server does not take the credential. Where there is another one by now, the request goes once more with it; one whose body went
/// by cannot, and its client reads the answer that there is.
async fn send_again(
    shared: &Shared,
    again: Option<(hyper::http::request::Parts, Body)>,
    shown: Headers,
    answered: (Response<Incoming>, Sender),
    is_upgrade: bool,
) -> Result<(Response<Incoming>, Sender), Unanswered> {
    let other = shared.pool.server().origin.other_than(shown).await;
    match (other, again) {
        (Some(other), Some((mut head, body))) => {
            headers::put(&mut head.headers, &other);
            shared.pool.send(Request::from_parts(head, body), is_upgrade).await
        }
        _ => Ok(answered),
    }
}

fn uri(prefix: &str, target: &str) -> Result<Uri, Problem> {
    let path = PathAndQuery::try_from(format!("{prefix}{target}"));
    path.map(Uri::from).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("The path is not served: {error}.")))
}

/// Reads what is asked.
fn understand(
    request: &Request<Incoming>,
    upgrade: Option<&HeaderValue>,
    shown: &[hyper::header::HeaderName],
) -> Result<HttpRequest, Problem> {
    let bad = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
    let method = request.method();
    if *method == Method::CONNECT || *method == Method::TRACE {
        // TRACE (RFC 9110, section 9.3.8) would show the caller the bastion's credential.
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not served.")));
    }
    let all = request.headers();
    if all.get_all(HOST).iter().count() > 1 || all.get_all(CONTENT_TYPE).iter().count() > 1 {
        return Err(bad("Host or Content-Type is said more than once.".to_owned()));
    }
    let path = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    let Target { path, query } = read(path).map_err(|odd| bad(format!("The path is not served: {odd}.")))?;
    let text = |name: &hyper::header::HeaderName, value: &HeaderValue| {
        let text = value.to_str().map_err(|_| bad(format!("The header {name} is not text, and policy is shown it.")))?;
        Ok(format!("{name}: {text}"))
    };
    let mut headers = Vec::new();
    for name in shown {
        for value in all.get_all(name) {
            headers.push(text(name, value)?);
        }
    }
    if let Some(protocol) = upgrade {
        let protocol = protocol.to_str().map_err(|_| bad("The header upgrade is not text.".to_owned()))?;
        headers.push(format!("upgrade: {}", protocol.to_ascii_lowercase()));
    }
    let media = all.get(CONTENT_TYPE).map(|value| value.to_str().map_err(|_| bad("Content-Type is not text.".to_owned()))).transpose()?;
    let content_type = media.and_then(|media| media.split(';').next()).map(|name| name.trim().to_ascii_lowercase());
    let size = all.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(HttpRequest { method: method.as_str().to_owned(), path, query, content_type, headers, size, body: Default::default() })
}

fn count(verdict: &'static str) {
    metrics::counter!("bartizan_http_requests_total", "verdict" => verdict).increment(1);
}

/// A request that cannot be read: it is noted in the audit log and in the recording.
async fn unread(shared: &Shared, number: u64, line: &Line, problem: Problem) -> Result<Problem, Problem> {
    count("unread");
    let (method, target) = (line.method.as_str(), line.target.to_string());
    if let Err(refusal) = shared.decider.refused("http.request", &format!("{method}: {}", problem.sentence)).await {
        return Ok(Problem::of(&refusal));
    }
    shared.write(vec![notes::unread(number, method, &target, &problem.sentence, problem.status)]).await?;
    Ok(problem)
}

async fn refused(shared: &Shared, asked: &notes::Asked<'_>, refusal: &Refusal) -> Result<Problem, Problem> {
    let problem = Problem::of(refusal);
    count(if refusal.cause == Cause::Held { "hold" } else { "deny" });
    shared.write(vec![notes::refused(asked, refusal, problem.status)]).await?;
    Ok(problem)
}

async fn unanswered(shared: &Arc<Shared>, call: Called, failed: Unanswered) -> Result<Problem, Problem> {
    match failed {
        Unanswered::Refusal(refusal) => {
            tracing::warn!(detail = %refusal.detail, "an HTTP server cannot be reached");
            cut(shared, call, &refusal.sentence).await
        }
        Unanswered::Lost(error) => {
            tracing::warn!(%error, "an HTTP server gave no answer");
            cut(shared, call, "the server gave no answer").await
        }
    }
}

/// An answer that is not handed on.
async fn cut(shared: &Arc<Shared>, call: Called, why: &str) -> Result<Problem, Problem> {
    let (status, number, begun) = (StatusCode::BAD_GATEWAY, call.number, call.begun);
    call.ended(shared, status, 0, Some(why.to_owned()));
    shared.write(vec![notes::answered(&notes::Answered { number, status, begun, bytes: 0, masked: &[], cut: Some(why) })]).await?;
    Ok(Problem::new(status, why))
}

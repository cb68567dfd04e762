//! From options to the questions that the bastion would ask policy. What makes no sense is a usage error with a mend, what this
//! version cannot decide is said so; nothing is guessed.

use std::os::unix::ffi::OsStrExt;

use bartizan_policies::{
    Action, Approval, Facts, FactsKind, Key, Line, Place as On, Principal, PrincipalKind, ResourceKind, Target, Visit,
};

use super::sql::Sql;
use super::{Args, Wish, requests};
use crate::cli::Exit;
use crate::cli::print::note;
use crate::config::{self, Config, TargetAccess};
use crate::enforce::{self, as_target};
use crate::model::{self, GroupName, PrincipalId, Printable, TargetKind};

/// Everything that is asked.
pub(super) struct Asked {
    pub(super) principal: Principal,
    pub(super) target: Option<Target>,
    pub(super) login: Option<String>,
    /// The line that is analysed, with `--command`.
    pub(super) line: Option<Line>,
    /// What is analysed, with `--sql`.
    pub(super) sql: Option<Sql>,
    pub(super) questions: Vec<Question>,
}

/// One question to policy.
pub(super) struct Question {
    pub(super) action: Action,
    pub(super) facts: Facts,
    /// As the audit log would show it.
    pub(super) operation: String,
    pub(super) on: On,
}

impl Asked {
    pub(super) fn new(config: &Config, args: &Args) -> Result<Self, Exit> {
        let principal = principal(config, &args.principal, &args.groups, args.service)?;
        let found = args.target.as_deref().map(|name| find(config, name)).transpose()?;
        let mut asked = Self { principal, target: found.map(as_target), login: None, line: None, sql: None, questions: Vec::new() };
        let Wish { command, file, sql, http, kubernetes, action } = &args.wish;
        if let Some(line) = command {
            let login = asked.begin(found, args, "exec", "--command")?;
            let line = Line::read(line.as_bytes());
            asked.add(enforce::Question::of_line(&login, &line));
            asked.line = Some(line);
        } else if let Some(words) = file {
            let (action, path, to) = file_words(words)?;
            let login = asked.begin(found, args, "subsystem sftp", "--file")?;
            asked.add(vec![enforce::Question::of_file(&login, action, Some(&path), to.as_deref(), args.further.recursive)]);
        } else if let Some(text) = sql {
            let target = of_kind(found, TargetKind::Postgres, "--sql")?;
            let sql = Sql::read(text, args, config, target)?;
            asked.request(target, |target| sql.questions(target))?;
            asked.sql = Some(sql);
        } else if let Some(request) = http {
            let (target, body) = (of_kind(found, TargetKind::Http, "--http")?, args.further.body.as_deref());
            asked.request(target, |target| Ok(vec![requests::http(request, body, target)?]))?;
        } else if let Some(request) = kubernetes {
            asked.request(of_kind(found, TargetKind::Kubernetes, "--kubernetes")?, |target| requests::kubernetes(request, target))?;
        } else if let Some(action) = action {
            asked.action(config, found, args, *action)?;
        }
        Ok(asked)
    }

    /// The question that every session begins with, and the account it is for.
    fn begin(&mut self, found: Option<&config::Target>, args: &Args, wish: &str, option: &str) -> Result<String, Exit> {
        let target = of_kind(found, TargetKind::Ssh, option)?;
        let login = login(target, args)?;
        let facts = Facts::Login(login.clone());
        self.login = Some(login.clone());
        self.questions.push(Question { action: Action::Connect, facts, operation: wish.to_owned(), on: On::Target(as_target(target)) });
        Ok(login)
    }

    /// A request to a target that has no accounts.
    fn request(&mut self, found: &config::Target, questions: impl Fn(&Target) -> Result<Vec<Question>, Exit>) -> Result<(), Exit> {
        let target = as_target(found);
        let connect = On::Target(target.clone());
        let facts = Facts::Login(String::new());
        self.questions.push(Question { action: Action::Connect, facts, operation: found.kind().to_string(), on: connect });
        self.questions.extend(questions(&target)?);
        Ok(())
    }

    fn add(&mut self, questions: Vec<enforce::Question>) {
        let Some(target) = &self.target else { return };
        self.questions.extend(questions.iter().map(|question| Question {
            action: question.action(),
            facts: question.facts().clone(),
            operation: question.operation().to_owned(),
            on: On::Target(target.clone()),
        }));
    }

    fn action(&mut self, config: &Config, found: Option<&config::Target>, args: &Args, action: Action) -> Result<(), Exit> {
        match action.facts() {
            FactsKind::Command => return Err(instead(action, "a command: use --command LINE")),
            FactsKind::File => {
                let operation = action.name().trim_start_matches("sftp.");
                return Err(instead(action, &format!("a file: use --file '{operation} PATH'")));
            }
            FactsKind::Login if action == Action::Connect => return self.connect(found, args),
            FactsKind::Login => {
                let login = self.begin(found, args, "shell", &format!("--action {action}"))?;
                let Some(target) = self.target.clone() else { return Ok(()) };
                let facts = Facts::Login(login);
                self.questions.push(Question { action, facts, operation: "shell".to_owned(), on: On::Target(target) });
                return Ok(());
            }
            FactsKind::None => {}
            FactsKind::HttpRequest => return Err(instead(action, "a request: use --http 'METHOD PATH'")),
            FactsKind::ApiRequest | FactsKind::ApiExec | FactsKind::ApiPath => {
                return Err(instead(action, "a request: use --kubernetes 'VERB PATH'"));
            }
            FactsKind::Sql => return Err(instead(action, "a statement: use --sql STATEMENT --catalog FILE")),
            FactsKind::HttpField | FactsKind::ApiField => {
                return Err(instead(action, "one field of an answer: write a case for `bartizan policy test`"));
            }
        }
        let on = self.on(config, found, args, action)?;
        let operation = format!("{action} on {}", on.resource());
        self.questions.push(Question { action, facts: Facts::None, operation, on });
        Ok(())
    }

    /// The question that sessions of all kinds begin with.
    fn connect(&mut self, found: Option<&config::Target>, args: &Args) -> Result<(), Exit> {
        let Some(target) = found.filter(|target| target.kind() != TargetKind::Ssh) else {
            return self.begin(found, args, "connect", "--action connect").map(drop);
        };
        let (facts, on) = (Facts::Login(String::new()), On::Target(as_target(target)));
        self.questions.push(Question { action: Action::Connect, facts, operation: "connect".to_owned(), on });
        Ok(())
    }

    /// What an action without facts is about.
    fn on(&self, config: &Config, found: Option<&config::Target>, args: &Args, action: Action) -> Result<On, Exit> {
        let further = &args.further;
        let owner = || match &further.owner {
            Some(owner) => principal(config, owner, &further.owner_groups, false),
            None => Ok(self.principal.clone()),
        };
        let target = || self.target.clone().ok_or_else(|| Exit::usage(format!("--action {action} needs the target: add --target NAME")));
        let visit = || -> Result<Visit, Exit> {
            let login = match (found, &args.login) {
                (_, Some(login)) => login.to_string(),
                (Some(target), None) if target.kind() == TargetKind::Ssh => login(target, args)?,
                _ => String::new(),
            };
            Ok(Visit { id: "the-one".to_owned(), owner: owner()?, target: target()?, login })
        };
        let fits = |kind: &&ResourceKind| match kind {
            ResourceKind::Target => further.owner.is_none(),
            ResourceKind::Principal => further.owner.is_some(),
            ResourceKind::Session => further.live || action != Action::ViewInput,
            ResourceKind::Recording => !further.live || action != Action::ViewInput,
            _ => true,
        };
        let kinds = action.resources();
        match kinds.iter().find(fits).or(kinds.first()) {
            Some(ResourceKind::Target) => target().map(On::Target),
            Some(ResourceKind::Session) => visit().map(On::Session),
            Some(ResourceKind::Recording) => visit().map(On::Recording),
            Some(ResourceKind::Principal) => owner().map(On::Principal),
            Some(ResourceKind::Key) => Ok(On::Key(Key {
                fingerprint: "SHA256:the-one".to_owned(),
                algorithm: further.key_algorithm.clone(),
                bits: further.key_bits,
            })),
            Some(ResourceKind::Approval) => Ok(On::Approval(Approval {
                id: "the-one".to_owned(),
                requester: owner()?,
                target: target()?,
                action: further.approves,
                asks: further.asks.iter().map(ToString::to_string).collect(),
            })),
            _ => Err(not_yet(&format!("{action} is about something that belongs to a gateway that this version does not have"))),
        }
    }
}

/// The principal as policies name it, if the configuration has its issuer.
fn principal(config: &Config, id: &PrincipalId, groups: &[GroupName], service: bool) -> Result<Principal, Exit> {
    let Some(issuer) = config.issuers.iter().find(|issuer| issuer.name.as_str() == id.issuer()) else {
        return Err(unknown("issuer", id.issuer(), config.issuers.iter().map(|issuer| issuer.name.as_str())));
    };
    for group in groups {
        let of = group.as_str().split_once('/').map_or("", |(issuer, _)| issuer);
        if of != id.issuer() {
            note(&format!("{id} cannot really be in the group {group}: an issuer names groups of its own only"));
        }
    }
    let kind = if service || issuer.kind == model::PrincipalKind::Service { PrincipalKind::Service } else { PrincipalKind::User };
    Ok(Principal::new(kind, id.as_str(), groups.iter().map(GroupName::as_str)))
}

fn find<'a>(config: &'a Config, name: &str) -> Result<&'a config::Target, Exit> {
    let found = config.targets.iter().find(|target| target.name.as_str() == name);
    found.ok_or_else(|| unknown("target", name, config.targets.iter().map(|target| target.name.as_str())))
}

/// A name that the configuration does not have, with those that it has, the likeliest first.
fn unknown<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str>) -> Exit {
    const MOST: usize = 10;
    let mut all: Vec<&str> = all.collect();
    all.sort_by(|a, b| strsim::jaro_winkler(name, b).total_cmp(&strsim::jaro_winkler(name, a)));
    let near = all.first().filter(|near| strsim::jaro_winkler(name, near) > 0.8);
    let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    let shown = all.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    let list = match all.len() {
        0 => format!("the configuration has no {what}"),
        1..=MOST => format!("the configuration has {shown}"),
        n => format!("the configuration has {n}, among them {shown}"),
    };
    Exit::usage(format!("there is no {what} \"{}\"{near} ({list})", Printable(name)))
}

/// The account that is asked for: the one given if the target has it, else the only one.
fn login(target: &config::Target, args: &Args) -> Result<String, Exit> {
    let TargetAccess::Ssh(ssh) = &target.access else { return Ok(String::new()) };
    let all = || ssh.logins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (&args.login, ssh.logins.as_slice()) {
        (Some(login), logins) if logins.contains(login) => Ok(login.to_string()),
        (Some(login), _) => Err(Exit::usage(format!("{} has no login {login}; it has {}", target.name, all()))),
        (None, [only]) => Ok(only.to_string()),
        (None, _) => Err(Exit::usage(format!("say as whom with --login: {} has {}", target.name, all()))),
    }
}

/// `read /etc/motd`, `rename /a "/b c"`: the action, the path, the new name.
fn file_words(text: &str) -> Result<(Action, String, Option<String>), Exit> {
    const MEND: &str = "write list, read, write or remove and a path, or rename and two paths, as in --file 'read /etc/motd'";
    let words = shlex::split(text).ok_or_else(|| Exit::usage("--file: a quote or a backslash at the end is left open"))?;
    let (operation, paths) = words.split_first().ok_or_else(|| Exit::usage(format!("--file: {MEND}")))?;
    let action = match operation.trim_start_matches("sftp.") {
        "list" => Action::SftpList,
        "read" => Action::SftpRead,
        "write" => Action::SftpWrite,
        "remove" => Action::SftpRemove,
        "rename" => Action::SftpRename,
        other => return Err(Exit::usage(format!("--file: there is no operation \"{}\"; {MEND}", Printable(other)))),
    };
    match (action, paths) {
        (Action::SftpRename, [from, to]) => Ok((action, normal(from)?, Some(normal(to)?))),
        (Action::SftpRename, _) => Err(Exit::usage("--file: rename takes the old path and the new one; quote a path that has spaces")),
        (_, [path]) => Ok((action, normal(path)?, None)),
        _ => Err(Exit::usage(format!("--file: {operation} takes one path; quote one that has spaces"))),
    }
}

/// A path as policy sees it: absolute, without empty parts and dots. Symbolic links are the target's to resolve.
fn normal(path: &str) -> Result<String, Exit> {
    if !path.starts_with('/') {
        let shown = Printable(path);
        return Err(Exit::usage(format!(
            "--file: \"{shown}\" is not a path from the root; policy sees only such, as in /home/deploy/{shown}"
        )));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

/// The target, if it is one that `option` can be about.
fn of_kind<'a>(found: Option<&'a config::Target>, kind: TargetKind, option: &str) -> Result<&'a config::Target, Exit> {
    let target = found.ok_or_else(|| Exit::usage(format!("{option} needs the target: add --target NAME")))?;
    if target.kind() != kind {
        let shown = target.kind();
        return Err(Exit::usage(format!("{} is a {shown} target; {option} is for targets of kind {kind}", target.name)));
    }
    Ok(target)
}

fn instead(action: Action, what: &str) -> Exit {
    Exit::usage(format!("{action} is about {what} instead of --action"))
}

fn not_yet(why: &str) -> Exit {
    Exit::incomplete(format!("it cannot be told: {why}"))
}

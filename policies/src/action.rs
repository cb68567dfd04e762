//! The closed list of things a policy can be asked about, and on what and with which facts each makes sense. It mirrors
//! `schema.cedarschema`; a test compares the two. It decides nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// What a [`crate::Resource`] is, as far as actions care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A target of the configuration.
    Target,
    /// A database of a PostgreSQL target.
    Database,
    /// A schema of a PostgreSQL target.
    Schema,
    /// A table of a PostgreSQL target.
    Table,
    /// A column of a PostgreSQL target.
    Column,
    /// A function or procedure of a PostgreSQL target.
    Function,
    /// A kind of object of a Kubernetes target.
    Kind,
    /// A method on a path of an HTTP target.
    Route,
    /// A live session.
    Session,
    /// The recording of a session.
    Recording,
    /// A held operation that waits for its answer.
    Approval,
    /// A public key that wants a certificate.
    Key,
    /// A user or a service, as the object of a lock.
    Principal,
}

/// Which facts, beyond who asks from where and when, belong to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactsKind {
    /// Nothing further.
    None,
    /// The account on the target.
    Login,
    /// The account and a command line.
    Command,
    /// The account and a file.
    File,
    /// An SQL statement.
    Sql,
    /// A request to a Kubernetes API server about a resource.
    ApiRequest,
    /// A command to be run in a container.
    ApiExec,
    /// One field of the objects in an API server's answer.
    ApiField,
    /// A request to a Kubernetes API server for another path.
    ApiPath,
    /// An HTTP request.
    HttpRequest,
    /// One field of the answer to an HTTP request.
    HttpField,
}

impl FactsKind {
    /// The actions that these facts belong to.
    pub(crate) fn actions(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |action| action.facts() == self)
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $facts:ident, [$($kind:ident),+];)+) => {
        /// One thing that a principal may want to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action { $($(#[$doc])* $variant,)+ }

        impl Action {
            /// Every action, in the order of the manual.
            pub const ALL: &'static [Action] = &[$(Action::$variant),+];

            /// The name used in policies: `Action::"ssh.exec"` is `ssh.exec`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Action::$variant => $name),+ }
            }

            /// The facts a request for this action carries.
            #[must_use]
            pub const fn facts(self) -> FactsKind {
                match self { $(Action::$variant => FactsKind::$facts),+ }
            }

            /// The kinds of resource this action can be asked on.
            #[must_use]
            pub const fn resources(self) -> &'static [ResourceKind] {
                match self { $(Action::$variant => &[$(ResourceKind::$kind),+]),+ }
            }
        }
    };
}

actions! {
    /// Use a target at all.
    Connect = "connect", Login, [Target];
    /// Go on, or begin, while it cannot be recorded.
    Unrecorded = "unrecorded", Login, [Target];
    /// An ordinary, recorded shell.
    SshShell = "ssh.shell", Login, [Target];
    /// A command line.
    SshExec = "ssh.exec", Command, [Target];
    /// List a directory, or ask about a file.
    SftpList = "sftp.list", File, [Target];
    /// Read a file.
    SftpRead = "sftp.read", File, [Target];
    /// Create or write a file.
    SftpWrite = "sftp.write", File, [Target];
    /// Remove a file or a directory.
    SftpRemove = "sftp.remove", File, [Target];
    /// Give a file another name.
    SftpRename = "sftp.rename", File, [Target];
    /// Read rows of a table.
    PgSelect = "pg.select", Sql, [Table];
    /// Add rows to a table.
    PgInsert = "pg.insert", Sql, [Table];
    /// Change rows of a table.
    PgUpdate = "pg.update", Sql, [Table];
    /// Remove rows of a table.
    PgDelete = "pg.delete", Sql, [Table];
    /// Empty a table.
    PgTruncate = "pg.truncate", Sql, [Table];
    /// Make, change or drop an object.
    PgDdl = "pg.ddl", Sql, [Database, Schema, Table, Function];
    /// Use a function that is not known to be harmless.
    PgCall = "pg.call", Sql, [Function];
    /// Copy rows into a table.
    PgCopyIn = "pg.copy_in", Sql, [Table];
    /// Copy rows out of a table.
    PgCopyOut = "pg.copy_out", Sql, [Table];
    /// Change a setting of the session.
    PgSet = "pg.set", Sql, [Database];
    /// Run a procedure, or a block of code.
    PgDo = "pg.do", Sql, [Database, Function];
    /// Vacuum, analyse, reindex and the like.
    PgMaintain = "pg.maintain", Sql, [Database, Table];
    /// See the values of one column.
    PgReadColumn = "pg.read_column", Sql, [Column];
    /// Filter or sort by one column.
    PgFilterColumn = "pg.filter_column", Sql, [Column];
    /// Read an object.
    K8sGet = "k8s.get", ApiRequest, [Kind];
    /// Read all objects of a kind.
    K8sList = "k8s.list", ApiRequest, [Kind];
    /// Be told of changes of objects.
    K8sWatch = "k8s.watch", ApiRequest, [Kind];
    /// Make an object.
    K8sCreate = "k8s.create", ApiRequest, [Kind];
    /// Replace an object.
    K8sUpdate = "k8s.update", ApiRequest, [Kind];
    /// Change an object.
    K8sPatch = "k8s.patch", ApiRequest, [Kind];
    /// Delete an object.
    K8sDelete = "k8s.delete", ApiRequest, [Kind];
    /// Delete all objects of a kind.
    K8sDeleteCollection = "k8s.deletecollection", ApiRequest, [Kind];
    /// Run a command in a container.
    K8sExec = "k8s.exec", ApiExec, [Kind];
    /// Attach to a container's process.
    K8sAttach = "k8s.attach", ApiRequest, [Kind];
    /// Read a container's output.
    K8sLogs = "k8s.logs", ApiRequest, [Kind];
    /// Reach a port of a pod.
    K8sPortForward = "k8s.portforward", ApiRequest, [Kind];
    /// Reach a pod, a service or a node through the API server.
    K8sProxy = "k8s.proxy", ApiRequest, [Kind];
    /// See one field of an object.
    K8sReadField = "k8s.read_field", ApiField, [Kind];
    /// Ask for a path of the API server that is no resource.
    K8sNonResource = "k8s.nonresource", ApiPath, [Target];
    /// An HTTP GET.
    HttpGet = "http.GET", HttpRequest, [Route];
    /// An HTTP HEAD.
    HttpHead = "http.HEAD", HttpRequest, [Route];
    /// An HTTP OPTIONS.
    HttpOptions = "http.OPTIONS", HttpRequest, [Route];
    /// An HTTP POST.
    HttpPost = "http.POST", HttpRequest, [Route];
    /// An HTTP PUT.
    HttpPut = "http.PUT", HttpRequest, [Route];
    /// An HTTP PATCH.
    HttpPatch = "http.PATCH", HttpRequest, [Route];
    /// An HTTP DELETE.
    HttpDelete = "http.DELETE", HttpRequest, [Route];
    /// Any other HTTP method.
    HttpOther = "http.other", HttpRequest, [Route];
    /// Turn the connection into one of another protocol, such as WebSocket.
    HttpUpgrade = "http.upgrade", HttpRequest, [Route];
    /// See one field of a JSON answer.
    HttpReadField = "http.read_field", HttpField, [Route];
    /// Be given a certificate for a key.
    Issue = "issue", None, [Key];
    /// Answer a hold.
    Approve = "approve", None, [Approval];
    /// Look on at a live session.
    Watch = "watch", None, [Session];
    /// End a live session.
    End = "end", None, [Session];
    /// Replay a recording.
    Replay = "replay", None, [Recording];
    /// See what was typed, not only what was printed.
    ViewInput = "view_input", None, [Session, Recording];
    /// Take a recording out of the bastion.
    Export = "export", None, [Recording];
    /// Keep a recording whatever its age, and let it go again.
    Hold = "hold", None, [Recording];
    /// Remove a recording before its time.
    Delete = "delete", None, [Recording];
    /// Publish a target through a reverse tunnel.
    Publish = "publish", None, [Target];
    /// Lock a principal or a target, or unlock it.
    Lock = "lock", None, [Principal, Target];
    /// Take trust away from what a principal was issued, or from an authority's key.
    Revoke = "revoke", None, [Principal];
    /// Read what the audit log says of a principal.
    Audit = "audit", None, [Principal];
}

impl Action {
    /// Whether `@moderated` can stand here: what happens in a session that people can watch and that stands still without them.
    #[must_use]
    pub const fn is_watched(self) -> bool {
        matches!(
            self,
            Action::Connect
                | Action::SshShell
                | Action::SshExec
                | Action::SftpList
                | Action::SftpRead
                | Action::SftpWrite
                | Action::SftpRemove
                | Action::SftpRename
        )
    }

    /// Whether a satisfied `@mask` hides one field here instead of refusing the operation.
    #[must_use]
    pub const fn is_field_level(self) -> bool {
        matches!(self, Action::PgReadColumn | Action::K8sReadField | Action::HttpReadField)
    }

    /// Whether a permit for every action holds this one: going unrecorded must be named, or whoever may do everything could do
    /// it unseen.
    #[must_use]
    pub const fn is_in_any(self) -> bool {
        !matches!(self, Action::Unrecorded)
    }

    /// The action of an HTTP method; methods are case-sensitive (RFC 9110, section 9.1).
    #[must_use]
    pub fn of_http_method(method: &str) -> Action {
        match method {
            "GET" => Action::HttpGet,
            "HEAD" => Action::HttpHead,
            "OPTIONS" => Action::HttpOptions,
            "POST" => Action::HttpPost,
            "PUT" => Action::HttpPut,
            "PATCH" => Action::HttpPatch,
            "DELETE" => Action::HttpDelete,
            _ => Action::HttpOther,
        }
    }

    /// This action's place in a set of actions kept as bits.
    pub(crate) const fn bit(self) -> u64 {
        1 << (self as u64)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The text is no action's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no action \"{given}\"{}", .near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default())]
pub struct UnknownAction {
    /// What was given.
    pub given: String,
    /// The action's name that is most like it, if any is.
    pub near: Option<&'static str>,
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Action::ALL.iter().copied().find(|action| action.name() == text).ok_or_else(|| UnknownAction {
            given: text.to_owned(),
            near: crate::near::nearest(text, Action::ALL.iter().map(|action| action.name())),
        })
    }
}

//! What the analysis of an operation proved about it, as plain data. It decides nothing.

use crate::command::Command;
use crate::http::Body;
use crate::request::{Kind, Target};
use crate::{Action, FactsKind};

/// A request to a Kubernetes API server, as the server resolves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiRequest {
    /// The API server's verb, such as `get`.
    pub verb: String,
    /// The API group; "" is the core group.
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The kind of object in the plural, such as `deployments`.
    pub resource: String,
    /// The namespace it names.
    pub namespace: Option<String>,
    /// The object it names.
    pub name: Option<String>,
    /// The part of the object it is about, such as `scale`.
    pub subresource: Option<String>,
    /// The container of a pod that it names.
    pub container: Option<String>,
    /// Whether nothing would be kept.
    pub dry_run: bool,
}

impl ApiRequest {
    /// The action that policy is asked for. What reaches into pods is known by its subresource, and by the verbs it comes with.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        let verb = self.verb.as_str();
        let connects = matches!(verb, "get" | "create");
        match self.subresource.as_deref() {
            _ if verb == "proxy" => Some(Action::K8sProxy),
            Some("proxy") => Some(Action::K8sProxy),
            Some("exec") if connects => Some(Action::K8sExec),
            Some("attach") if connects => Some(Action::K8sAttach),
            Some("portforward") if connects => Some(Action::K8sPortForward),
            Some("log") if verb == "get" => Some(Action::K8sLogs),
            _ => match verb {
                "get" => Some(Action::K8sGet),
                "list" => Some(Action::K8sList),
                "watch" => Some(Action::K8sWatch),
                "create" => Some(Action::K8sCreate),
                "update" => Some(Action::K8sUpdate),
                "patch" => Some(Action::K8sPatch),
                "delete" => Some(Action::K8sDelete),
                "deletecollection" => Some(Action::K8sDeleteCollection),
                _ => None,
            },
        }
    }

    /// The kind of objects it is about.
    #[must_use]
    pub fn kind(&self, target: Target) -> Kind {
        Kind { target, group: self.group.clone(), name: self.resource.clone(), namespace: self.namespace.clone() }
    }
}

/// An HTTP request, as it is forwarded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method as it was sent.
    pub method: String,
    /// The path, normalised, without query.
    pub path: String,
    /// What follows the `?`, or "".
    pub query: String,
    /// The body's media type, without parameters and in lower case.
    pub content_type: Option<String>,
    /// Those headers that policy may see, as `name: value`, names in lower case.
    pub headers: Vec<String>,
    /// The announced length of the body, in bytes.
    pub size: Option<u64>,
    /// The body, where a policy asks for it.
    pub body: Body,
}

impl HttpRequest {
    /// Its path with its query, as it is forwarded.
    #[must_use]
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// What the analysis of the operation proved, beyond who asks from where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facts {
    /// Nothing further.
    None,
    /// The account on the target, for `connect` and `ssh.shell`; empty where the kind of target has none.
    Login(String),
    /// For `ssh.exec`.
    Command {
        /// The account on the target.
        login: String,
        /// The command line.
        command: Command,
    },
    /// For `sftp.*`.
    File {
        /// The account on the target.
        login: String,
        /// The file, absolute and normalised; `None` where it is not known, and then no policy that asks for it permits.
        path: Option<String>,
        /// The new name of a rename.
        to: Option<String>,
        /// Whether everything beneath the path may be touched too, each file unseen.
        recursive: bool,
    },
    /// For `pg.*`.
    Sql {
        /// The kind of statement, such as `select`.
        statement: String,
        /// Whether it has a `where`.
        has_where: bool,
        /// Whether it runs inside a transaction block.
        in_transaction: bool,
        /// The setting it changes, for `pg.set`.
        setting: Option<String>,
        /// How many rows the server's planner guesses that it answers with or changes, where it was asked and could tell.
        estimated_rows: Option<i64>,
    },
    /// For `k8s.*` on a kind of object.
    ApiRequest(ApiRequest),
    /// For `k8s.exec`.
    ApiExec {
        /// The request.
        request: ApiRequest,
        /// One of the commands that it would run.
        command: Command,
    },
    /// For `k8s.read_field`.
    ApiField {
        /// The request that is answered.
        request: ApiRequest,
        /// Where the field is in the object, as a JSON pointer (RFC 6901) with `*` for each item of a list.
        field: String,
    },
    /// For `k8s.nonresource`.
    ApiPath {
        /// The API server's verb, such as `get`.
        verb: String,
        /// The path, normalised.
        path: String,
    },
    /// For `http.*` on a whole request.
    HttpRequest(HttpRequest),
    /// For `http.read_field`.
    HttpField {
        /// The request that is answered.
        request: HttpRequest,
        /// Where the field is, as a JSON pointer (RFC 6901) with `*` for each item of a list.
        field: String,
    },
}

impl Facts {
    /// Which facts these are.
    #[must_use]
    pub fn kind(&self) -> FactsKind {
        match self {
            Facts::None => FactsKind::None,
            Facts::Login(_) => FactsKind::Login,
            Facts::Command { .. } => FactsKind::Command,
            Facts::File { .. } => FactsKind::File,
            Facts::Sql { .. } => FactsKind::Sql,
            Facts::ApiRequest(_) => FactsKind::ApiRequest,
            Facts::ApiExec { .. } => FactsKind::ApiExec,
            Facts::ApiField { .. } => FactsKind::ApiField,
            Facts::ApiPath { .. } => FactsKind::ApiPath,
            Facts::HttpRequest(_) => FactsKind::HttpRequest,
            Facts::HttpField { .. } => FactsKind::HttpField,
        }
    }
}

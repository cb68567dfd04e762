//! The catalogue: which target a name means, which logins it offers, and the credential it is reached with. Never tells a
//! caller what a credential is, and never dials.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, HttpTarget, KubernetesTarget, PostgresTarget, PostgresUser, SshTarget, TargetAccess};
use crate::frontdoor::Refusal;
use crate::identity::Identified;
use crate::model::{Login, TargetKind, TargetName, Wish};

/// All targets of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    targets: BTreeMap<TargetName, Arc<config::Target>>,
}

/// An identified ask whose target is known and offers what is asked for.
#[derive(Debug)]
pub struct Routed {
    identified: Identified,
    target: Arc<config::Target>,
}

impl Catalogue {
    /// The catalogue of a configuration.
    #[must_use]
    pub fn new(targets: &[config::Target]) -> Self {
        Self { targets: targets.iter().map(|t| (t.name.clone(), Arc::new(t.clone()))).collect() }
    }

    /// All targets, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<config::Target>> {
        self.targets.values()
    }

    /// The target of that name.
    #[must_use]
    pub fn find(&self, name: &TargetName) -> Option<&Arc<config::Target>> {
        self.targets.get(name)
    }

    /// Finds the target that is asked for.
    ///
    /// # Errors
    /// When there is none, it is not reached in this way, or it does not offer the login or database. Whether a name exists is not
    /// told apart from whether the caller may use it.
    pub fn route(&self, identified: Identified) -> Result<Routed, Refusal> {
        let ask = identified.ask();
        let name = &ask.target;
        let unknown = || Refusal::denied(unknown(name), format!("no target {name}"));
        let target = Arc::clone(self.find(name).ok_or_else(unknown)?);
        match (&target.access, &ask.wish, &ask.login) {
            (TargetAccess::Ssh(ssh), Wish::Shell | Wish::Exec(_) | Wish::Subsystem(_), Some(login)) => {
                if !ssh.logins.contains(login) {
                    return Err(no_login(name, login));
                }
            }
            (TargetAccess::Postgres(postgres), Wish::Database(database), Some(login)) => {
                if postgres.user(login).is_none() {
                    return Err(no_login(name, login));
                }
                if !postgres.databases.contains(database) {
                    let sentence = format!("{name} offers no database {} to you.", crate::model::Printable(database));
                    return Err(Refusal::denied(sentence.clone(), sentence));
                }
            }
            (TargetAccess::Http(_), Wish::Http, None) | (TargetAccess::Kubernetes(_), Wish::Kubernetes, None) => {}
            (TargetAccess::Http(_), ..) => {
                let sentence =
                    format!("{name} is an HTTP target; reach it by a forward, as in `ssh -L 8080:{name}:80`, and curl or a browser.");
                return Err(Refusal::denied(sentence, format!("{name} is of kind {}", target.kind())));
            }
            (TargetAccess::Postgres(_), ..) => {
                let sentence = format!(
                    "{name} is a PostgreSQL target; reach it by a forward, as in `ssh -L 5432:{name}:5432`, and psql or another client."
                );
                return Err(Refusal::denied(sentence, format!("{name} is of kind {}", target.kind())));
            }
            (TargetAccess::Kubernetes(_), ..) => {
                let sentence =
                    format!("{name} is a Kubernetes target; reach it by a forward, as in `ssh -L 8001:{name}:443`, and kubectl.");
                return Err(Refusal::denied(sentence, format!("{name} is of kind {}", target.kind())));
            }
            (TargetAccess::Ssh(_), ..) => {
                let sentence = format!("{name} is an SSH target; it is reached by a shell, a command or sftp.");
                return Err(Refusal::denied(sentence, format!("{name} is of kind {}", target.kind())));
            }
        }
        Ok(Routed { identified, target })
    }

    /// The PostgreSQL target of that name.
    #[must_use]
    pub fn postgres(&self, name: &TargetName) -> Option<&PostgresTarget> {
        match &self.find(name)?.access {
            TargetAccess::Postgres(postgres) => Some(postgres),
            _ => None,
        }
    }

    /// Of which kind `name` is, if streams lead to it: its gateway speaks its protocol.
    #[must_use]
    pub fn stream(&self, name: &TargetName) -> Option<TargetKind> {
        self.find(name).map(|target| target.kind()).filter(|kind| *kind != TargetKind::Ssh)
    }

    /// The role and the database that a client gets who names `user` and `database`. Clients name the account of their machine where
    /// nobody told them a role, and a database like the role: with one role that is passed over, and with no database of that name the
    /// first is meant.
    ///
    /// # Errors
    /// When the target does not offer what is named.
    pub fn choose(&self, name: &TargetName, user: Option<&str>, database: Option<&str>) -> Result<(Login, String), Refusal> {
        let postgres = self.postgres(name).ok_or_else(|| Refusal::denied(unknown(name), format!("no target {name}")))?;
        let named = user.and_then(|user| postgres.users.iter().find(|known| known.name.as_str() == user));
        let role = match (named, postgres.users.as_slice()) {
            (Some(role), _) | (None, [role]) => role.name.clone(),
            (None, roles) => {
                let offered = roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>().join(", ");
                let sentence = format!("{name} has several roles; name one of {offered} as the user.");
                return Err(Refusal::denied(sentence.clone(), sentence));
            }
        };
        let chosen = match database {
            Some(wanted) if postgres.databases.iter().any(|known| known == wanted) => Some(wanted.to_owned()),
            Some(wanted) if user != Some(wanted) => None,
            _ => postgres.databases.first().cloned(),
        };
        let database = chosen.ok_or_else(|| {
            let wanted = crate::model::Printable(database.unwrap_or_default()).to_string();
            let sentence = format!("{name} offers no database {wanted}; it offers {}.", postgres.databases.join(", "));
            Refusal::denied(sentence.clone(), sentence)
        })?;
        Ok((role, database))
    }

    /// Whether `name` is an SSH target.
    #[must_use]
    pub fn is_ssh(&self, name: &TargetName) -> bool {
        self.find(name).is_some_and(|target| target.kind() == TargetKind::Ssh)
    }
}

fn no_login(name: &TargetName, login: &Login) -> Refusal {
    Refusal::denied(format!("{name} offers no login {login} to you."), format!("{name} has no login {login}"))
}

fn unknown(name: &TargetName) -> String {
    format!("There is no target {name} that you can reach; `ssh bastion targets` lists those you can.")
}

impl Routed {
    /// The identified ask.
    #[must_use]
    pub fn identified(&self) -> &Identified {
        &self.identified
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &config::Target {
        &self.target
    }

    /// How it is reached, if by SSH.
    #[must_use]
    pub fn ssh(&self) -> Option<&SshTarget> {
        match &self.target.access {
            TargetAccess::Ssh(ssh) => Some(ssh),
            _ => None,
        }
    }

    /// How it is reached, if by HTTP: a Kubernetes API server is.
    #[must_use]
    pub fn http(&self) -> Option<&HttpTarget> {
        match &self.target.access {
            TargetAccess::Http(http) => Some(http),
            TargetAccess::Kubernetes(kubernetes) => Some(&kubernetes.http),
            _ => None,
        }
    }

    /// How it is reached, if it is a Kubernetes API server.
    #[must_use]
    pub fn kubernetes(&self) -> Option<&KubernetesTarget> {
        match &self.target.access {
            TargetAccess::Kubernetes(kubernetes) => Some(kubernetes),
            _ => None,
        }
    }

    /// How it is reached and as whom, if by PostgreSQL's protocol.
    #[must_use]
    pub fn postgres(&self) -> Option<(&PostgresTarget, &PostgresUser)> {
        match (&self.target.access, &self.identified.ask().login) {
            (TargetAccess::Postgres(postgres), Some(login)) => Some((postgres, postgres.user(login)?)),
            _ => None,
        }
    }
}

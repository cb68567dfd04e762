//! The catalogue: which target a name means, which logins it offers, and the credential it is reached with. Never tells a
//! caller what a credential is, and never dials.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, SshTarget, TargetAccess};
use crate::frontdoor::Refusal;
use crate::identity::Identified;
use crate::model::{TargetKind, TargetName};

/// All targets of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    targets: BTreeMap<TargetName, Arc<config::Target>>,
}

/// An identified ask whose target is known and offers the login.
#[derive(Debug)]
pub struct Routed {
    identified: Identified,
    target: Arc<config::Target>,
    ssh: SshTarget,
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
    /// When there is none, it is not an SSH target, or it does not offer the login. Whether a name exists is not told apart
    /// from whether the caller may use it.
    pub fn route(&self, identified: Identified) -> Result<Routed, Refusal> {
        let (name, login) = (&identified.ask().target, &identified.ask().login);
        let unknown = || Refusal::denied(unknown(name), format!("no target {name}"));
        let target = Arc::clone(self.find(name).ok_or_else(unknown)?);
        let TargetAccess::Ssh(ssh) = &target.access else {
            let sentence = format!("{name} is a {} target; it is not reached by a shell.", target.kind());
            return Err(Refusal::denied(sentence, format!("{name} is of kind {}", target.kind())));
        };
        if !ssh.logins.contains(login) {
            return Err(Refusal::denied(format!("{name} offers no login {login} to you."), format!("{name} has no login {login}")));
        }
        let ssh = ssh.clone();
        Ok(Routed { identified, target, ssh })
    }

    /// Whether `name` is an SSH target.
    #[must_use]
    pub fn is_ssh(&self, name: &TargetName) -> bool {
        self.find(name).is_some_and(|target| target.kind() == TargetKind::Ssh)
    }
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

    /// How it is reached.
    #[must_use]
    pub fn ssh(&self) -> &SshTarget {
        &self.ssh
    }
}

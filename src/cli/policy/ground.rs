//! What is needed to say what anybody was granted and used: the configuration, the policies, what the bastion last read of databases, and
//! what the audit log says since some moment. Reads; changes nothing.

use bartizan_policies::PolicySet;
use jiff::Timestamp;

use super::files;
use crate::audit::Report;
use crate::cli::{Common, Exit, log};
use crate::config::Config;
use crate::enforce;
use crate::privilege::{Asked, Databases, Usage};
use crate::upstream::CatalogDesk;

/// All of it.
pub(in crate::cli) struct Ground {
    /// The configuration.
    pub(in crate::cli) config: Config,
    /// The policies.
    pub(in crate::cli) set: PolicySet,
    /// What databases hold.
    pub(in crate::cli) databases: Databases,
    /// What was done.
    pub(in crate::cli) usage: Usage,
    /// What was verified of the log.
    pub(in crate::cli) log: Report,
}

impl Ground {
    /// Reads all of it.
    pub(in crate::cli) fn read(common: &Common, since: Timestamp) -> Result<Self, Exit> {
        let config = files::config(common)?;
        let texts = files::policies(std::slice::from_ref(&config.policies.dir))?;
        let set = files::load(texts, &enforce::known(&config))?;
        let texts = set.texts();
        let mut usage = Usage::new(since, Asked::by(texts.iter().map(String::as_str)));
        let log = log::read(&config, "reading the audit log", &mut |time, entry| {
            usage.take(time, entry);
        })?;
        usage.finish();
        let databases = CatalogDesk::left(&config);
        Ok(Self { config, set, databases, usage, log })
    }
}

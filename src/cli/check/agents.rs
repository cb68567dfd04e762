//! What SSH agents say of the keys that `[ca]` leaves to them: whether they hold them, and whether a bastion can sign with such a key.

use crate::cli::Exit;
use crate::cli::local::block_on;
use crate::config::Config;
use crate::identity::authority::unusable;

/// Each as one sentence with its mend.
pub(super) fn warnings(config: &Config) -> Result<Vec<String>, Exit> {
    let found = block_on(async { Ok(unusable(&config.authorities).await) })?;
    let mend = "until that is mended in the agent or in [ca], it gives no certificate";
    Ok(found.into_iter().map(|(kind, error)| format!("the {kind} authority cannot sign: {error}; {mend}")).collect())
}

//! What a bastion lists, or where none runs on this machine its store: as JSON, a bastion's in its own words, or as a table.

use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Exit;
use super::print::Page;
use super::remote::{Remote, read};

/// What is asked of a bastion, and how the answer is shown.
pub(super) struct Listing<'a, const N: usize> {
    /// The request.
    pub(super) what: &'a str,
    /// Its fields.
    pub(super) with: Value,
    /// Whether it is printed as JSON.
    pub(super) json: bool,
    /// The columns of the table.
    pub(super) heads: [&'a str; N],
}

impl<const N: usize> Listing<'_, N> {
    /// Prints what the bastion at `link` lists; without one, what `stored` gives.
    pub(super) fn print<T: Serialize + DeserializeOwned>(
        self,
        link: Option<Remote>,
        stored: impl FnOnce() -> Result<Vec<T>, Exit>,
        row: impl Fn(&T) -> [String; N],
    ) -> Result<ExitCode, Exit> {
        let mut page = Page::stdout();
        let all: Vec<T> = match link {
            Some(mut link) => {
                let found: Value = link.ask(self.what, &self.with)?;
                if self.json {
                    page.json(&found)?;
                }
                read(found)?
            }
            None => {
                let found = stored()?;
                if self.json {
                    page.json(&found)?;
                }
                found
            }
        };
        if !self.json {
            page.table(self.heads, &all.iter().map(row).collect::<Vec<_>>())?;
        }
        page.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

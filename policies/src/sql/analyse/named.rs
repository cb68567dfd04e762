//! Relations by name, as the session would find them.

use std::sync::Arc;

use pg_query::protobuf::{Alias, RangeVar};

use super::super::catalog::{Relation, RelationKind, is_system};
use super::super::refused::Refused;
use super::super::script::{Concern, Effect, Name, Use};
use super::super::state::{SYSTEM, TEMP};
use super::{Analyst, Ruled, string};

/// The system's relations that tell nothing of the rows of others. Any other is refused in masked sessions.
const HARMLESS: &[&str] = &[
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_auth_members",
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_database",
    "pg_default_acl",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_group",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_init_privs",
    "pg_language",
    "pg_locks",
    "pg_matviews",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_partitioned_table",
    "pg_policies",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_publication_tables",
    "pg_range",
    "pg_rewrite",
    "pg_roles",
    "pg_rules",
    "pg_seclabel",
    "pg_seclabels",
    "pg_sequence",
    "pg_sequences",
    "pg_settings",
    "pg_shdepend",
    "pg_shdescription",
    "pg_stat_all_indexes",
    "pg_stat_all_tables",
    "pg_stat_database",
    "pg_stat_sys_indexes",
    "pg_stat_sys_tables",
    "pg_stat_user_functions",
    "pg_stat_user_indexes",
    "pg_stat_user_tables",
    "pg_statio_all_indexes",
    "pg_statio_all_tables",
    "pg_statio_user_indexes",
    "pg_statio_user_tables",
    "pg_statistic_ext",
    "pg_tables",
    "pg_tablespace",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_transform",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_config_map",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
    "pg_user",
    "pg_views",
];

impl Analyst<'_> {
    /// The relation of this name, which must be known.
    pub(super) fn relation(&mut self, range: &RangeVar) -> Ruled<Arc<Relation>> {
        let RangeVar { catalogname: _, schemaname, relname, inh: _, relpersistence: _, alias: _, location } = range;
        match self.find(range)? {
            Some(relation) => Ok(relation),
            None => {
                let dot = if schemaname.is_empty() { "" } else { "." };
                let refused = Refused::unknown("42P01", format!("relation \"{schemaname}{dot}{relname}\" does not exist"));
                Err(self.refused(refused, *location))
            }
        }
    }

    /// The relation of this name, if there is one.
    pub(super) fn find(&mut self, range: &RangeVar) -> Ruled<Option<Arc<Relation>>> {
        let RangeVar { catalogname, schemaname, relname, inh: _, relpersistence: _, alias: _, location } = range;
        self.same_database(catalogname, *location)?;
        if !schemaname.is_empty() {
            return Ok(self.state.relation(self.catalog, schemaname, relname));
        }
        self.no_doubt(*location)?;
        let found: Vec<_> = self.schemas.iter().filter_map(|schema| self.state.relation(self.catalog, schema, relname)).collect();
        let hides = found.first().is_some_and(|first| *first.schema == *TEMP) && found.len() > 1;
        if hides {
            let message = format!("\"{relname}\" is a temporary relation and another one: the bastion does not let the one hide the other");
            return Err(self.refused(Refused::unsupported(message).hint("qualify it by its schema, or pg_temp"), *location));
        }
        Ok(found.into_iter().next())
    }

    pub(super) fn same_database(&self, name: &str, location: i32) -> Ruled<()> {
        if name.is_empty() || *name == *self.catalog.rows().database {
            return Ok(());
        }
        Err(self.refused(Refused::new("0A000", format!("cross-database references are not implemented: {name}")), location))
    }

    /// Refuses to guess where an unqualified name is looked for.
    pub(super) fn no_doubt(&self, location: i32) -> Ruled<()> {
        if !self.state.is_in_doubt() {
            return Ok(());
        }
        let message = "code that the bastion cannot see may have changed the search path, so unqualified names are not known";
        Err(self.refused(Refused { stale: true, ..Refused::unsupported(message) }.hint("qualify names by their schema"), location))
    }

    /// A relation of which rows are read.
    pub(super) fn readable(&mut self, range: &RangeVar) -> Ruled<Arc<Relation>> {
        let relation = self.relation(range)?;
        if matches!(relation.kind, RelationKind::Index | RelationKind::Composite) {
            let message = format!("\"{}\" is not a table", relation.name);
            return Err(self.refused(Refused::new("42809", message), range.location));
        }
        let known = *relation.schema != *SYSTEM || HARMLESS.contains(&&*relation.name);
        if !known || *relation.name == *"user_mapping_options" || *relation.schema == *"pg_toast" {
            let usage = Use::Object("reading the system's relation", Arc::clone(&relation.name));
            self.hazard(Concern::Session, usage, range.location);
        }
        if !is_system(&relation.schema) {
            // Analysed now, on a stack that is large enough. What reading it runs may change what names mean.
            let quiet = self.catalog.view(relation.oid).is_none_or(|view| view.as_ref().is_ok_and(|view| view.effects.is_empty()));
            if !quiet {
                self.in_doubt();
            }
        }
        Ok(relation)
    }

    /// Code is run that cannot be seen.
    pub(super) fn in_doubt(&mut self) {
        if !self.effects.contains(&Effect::InDoubt) {
            self.effects.push(Effect::InDoubt);
        }
    }

    /// Where a new object of this name would be, and its name.
    pub(super) fn new_name(&mut self, range: &RangeVar) -> Ruled<Name> {
        let RangeVar { catalogname, schemaname, relname, inh: _, relpersistence, alias: _, location } = range;
        self.same_database(catalogname, *location)?;
        if relpersistence == "t" || schemaname.starts_with(TEMP) {
            self.may_be_temporary(relname, *location)?;
            return Ok(Name::new(TEMP, relname.as_str()));
        }
        if !schemaname.is_empty() {
            return Ok(Name::new(schemaname.as_str(), relname.as_str()));
        }
        self.no_doubt(*location)?;
        match self.state.home(self.catalog) {
            Some(home) => Ok(Name::new(home, relname.as_str())),
            None => Err(self.refused(Refused::unknown("3F000", "no schema has been selected to create in"), *location)),
        }
    }

    /// A temporary relation comes before everything else of its name, types included.
    fn may_be_temporary(&self, name: &str, location: i32) -> Ruled<()> {
        let mut others = self.schemas.iter().filter(|schema| ***schema != *TEMP);
        let hides = others.any(|schema| self.state.relation(self.catalog, schema, name).is_some());
        let is_type = self.catalog.types(name).next().is_some() || super::types::is_system_type(name);
        if !hides && !is_type {
            return Ok(());
        }
        let message = format!("a temporary relation \"{name}\" would hide what has that name already");
        Err(self.refused(Refused::unsupported(message).hint("give it another name"), location))
    }
}

/// An alias and the column names with it.
pub(super) fn alias(alias: Option<&Alias>) -> (Option<Arc<str>>, Vec<Arc<str>>) {
    let Some(Alias { aliasname, colnames }) = alias else { return (None, Vec::new()) };
    (Some(aliasname.as_str().into()), colnames.iter().filter_map(string).map(Into::into).collect())
}

//! Types and casts: the system's are harmless, others may call what cannot be seen.

use pg_query::protobuf::TypeName;

use super::super::refused::Refused;
use super::super::script::{Concern, Name, On, Use};
use super::super::state::SYSTEM;
use super::{Analyst, Ruled, strings};
use crate::Action;

/// Types of `pg_catalog` that are looked for along the search path when they are written without a schema.
const SYSTEM_TYPES: &[&str] = &[
    "abstime",
    "aclitem",
    "bit",
    "bool",
    "box",
    "bpchar",
    "bytea",
    "char",
    "cid",
    "cidr",
    "circle",
    "cstring",
    "date",
    "datemultirange",
    "daterange",
    "float4",
    "float8",
    "inet",
    "int2",
    "int2vector",
    "int4",
    "int4multirange",
    "int4range",
    "int8",
    "int8multirange",
    "int8range",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "nummultirange",
    "numrange",
    "oid",
    "oidvector",
    "path",
    "pg_lsn",
    "pg_snapshot",
    "point",
    "polygon",
    "record",
    "refcursor",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "text",
    "tid",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "txid_snapshot",
    "unknown",
    "uuid",
    "varbit",
    "varchar",
    "void",
    "xid",
    "xid8",
    "xml",
];

pub(super) fn is_system_type(name: &str) -> bool {
    SYSTEM_TYPES.contains(&name)
}

impl Analyst<'_> {
    /// A cast to this type.
    pub(super) fn cast(&mut self, to: Option<&TypeName>) -> Ruled<()> {
        let Some(to) = to else { return Ok(()) };
        let TypeName { names, type_oid: _, setof: _, pct_type, typmods: _, typemod: _, array_bounds: _, location } = to;
        let names = strings(names).ok_or_else(|| Refused::unsupported("the bastion cannot read this type"))?;
        if *pct_type {
            return Err(self.refused(Refused::unsupported("%TYPE is only for the arguments of functions"), *location));
        }
        let (schema, name) = match names.as_slice() {
            [name] => (None, *name),
            [schema, name] => (Some(*schema), *name),
            [database, schema, name] => {
                self.same_database(database, *location)?;
                (Some(*schema), *name)
            }
            _ => return Err(self.refused(Refused::unsupported("the bastion cannot read this type"), *location)),
        };
        let on_path = |own: &str| match schema {
            Some(schema) => own == schema,
            None => self.schemas.iter().any(|schema| **schema == *own),
        };
        let functions: Vec<_> = self
            .catalog
            .casts(name)
            .filter(|cast| on_path(&cast.schema) && !cast.function.native)
            .map(|cast| Name::new(cast.function.schema.clone(), cast.function.name.clone()))
            .collect();
        for function in functions {
            self.own_function(function, *location);
        }
        Ok(())
    }

    /// A function that is the database's own, called by name, operator or cast.
    pub(super) fn own_function(&mut self, function: Name, location: i32) {
        let what = if *function.schema == *SYSTEM { "calling the function, not known to be harmless," } else { "calling the function" };
        self.hazard(Concern::Session, Use::Object(what, function.to_string().into()), location);
        self.ask(Action::PgCall, On::Function(function));
        self.in_doubt();
    }
}

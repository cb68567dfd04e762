//! What a role of a server may do there by itself, beside what policy lets anybody do: read on a connection of its own, once, for
//! commands of the operator. Changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bartizan_policies::sql::{Catalog, ColumnId, Name};
use serde::Deserialize;

use crate::config::{PostgresTarget, PostgresUser};
use crate::frontdoor::Refusal;
use crate::model::TargetName;
use crate::secrets::Secrets;
use crate::upstream::roads::Roads;

use super::catalog::{BEGIN, PLAIN_PATH, json, read};
use super::connection::Connection;
use super::{DatabaseError, Means, PATIENCE, connect};

/// A database and what the role may do in it.
#[derive(Debug)]
pub struct Survey {
    /// What the database holds.
    pub catalog: Catalog,
    /// The role's name, as the server has it.
    pub role: String,
    /// Why the role may read everything, whatever is granted: it is a superuser, or a member of `pg_read_all_data`.
    pub reads_all: Option<String>,
    /// The columns that it can read, each with those beside itself that it can for: the table's owner, PUBLIC, a role that it is in.
    pub reads: BTreeMap<ColumnId, Option<String>>,
    /// Functions and procedures outside of the system's schemas: how the server writes each, by name.
    pub routines: HashMap<Name, Vec<String>>,
    /// Sequences that columns take their values from, each with its table.
    pub sequences: Vec<(u32, u32)>,
}

const ROLE: &str = "SELECT current_user, CASE WHEN r.rolsuper THEN 'it is a superuser' \
    WHEN EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.rolname = 'pg_read_all_data' AND pg_catalog.pg_has_role(current_user, a.oid, 'USAGE')) \
    THEN 'it is in pg_read_all_data' END FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

const READS: &str = "SELECT pg_catalog.json_build_object('relation', c.oid::int8, 'number', a.attnum, 'beside', \
    CASE WHEN pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE') THEN 'it owns the table' ELSE \
    (SELECT 'it is granted to ' || pg_catalog.string_agg(DISTINCT CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(e.grantee)::text END, ', ') \
      FROM pg_catalog.aclexplode(coalesce(c.relacl, '{}') || coalesce(a.attacl, '{}')) e \
      WHERE e.privilege_type = 'SELECT' AND e.grantee <> m.oid \
        AND CASE e.grantee WHEN 0 THEN true ELSE pg_catalog.pg_has_role(current_user, e.grantee, 'USAGE') END) END)::text \
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
  JOIN pg_catalog.pg_roles m ON m.rolname = current_user \
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname !~ '^pg_' \
    AND n.nspname <> 'information_schema' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
    AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')";

const ROUTINES: &str = "SELECT pg_catalog.json_build_object('schema', n.nspname, 'name', p.proname, 'written', p.oid::regprocedure::text)::text \
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY p.oid";

const SEQUENCES: &str = "SELECT DISTINCT pg_catalog.json_build_object('sequence', s.oid::int8, 'table', t.relation::int8)::text FROM pg_catalog.pg_class s, LATERAL \
    (SELECT d.refobjid AS relation FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = s.oid \
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i') \
     UNION ALL SELECT f.adrelid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid \
        WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = s.oid) t \
  WHERE s.relkind = 'S'";

#[derive(Deserialize)]
struct Read {
    relation: u32,
    number: i16,
    beside: Option<String>,
}

#[derive(Deserialize)]
struct Routine {
    schema: Arc<str>,
    name: Arc<str>,
    written: String,
}

#[derive(Deserialize)]
struct Sequence {
    sequence: u32,
    table: u32,
}

impl Survey {
    /// Looks at `database` as `user` sees it.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn take(
        secrets: &Secrets,
        name: &TargetName,
        target: &PostgresTarget,
        user: &PostgresUser,
        database: &str,
    ) -> Result<Self, Refusal> {
        let taking = async {
            let own = ("application_name".to_owned(), "bartizan".to_owned());
            // Whoever publishes a target does so to the bastion that runs.
            let means = Means { roads: &Roads::default(), secrets };
            let mut connection = connect(means, target, user, database, &[own]).await?.0;
            survey(&mut connection, database).await
        };
        let taken = tokio::time::timeout(PATIENCE, taking).await.unwrap_or(Err(DatabaseError::Slow));
        taken.map_err(|error| Refusal::unavailable(format!("{name} cannot be asked: {error}"), format!("{name}: {error}")))
    }
}

async fn survey(connection: &mut Connection, database: &str) -> Result<Survey, DatabaseError> {
    connection.rows(BEGIN).await?;
    connection.rows(PLAIN_PATH).await?;
    let role = connection.rows(ROLE).await?.into_iter().next().unwrap_or_default();
    let [Some(name), reads_all] = role.as_slice() else {
        return Err(DatabaseError::Protocol("it does not tell the role".to_owned()));
    };
    let catalog = Catalog::new(read(connection, database).await?);
    let reads = json::<Read>(connection, READS).await?;
    let mut routines: HashMap<Name, Vec<String>> = HashMap::new();
    for Routine { schema, name, written } in json::<Routine>(connection, ROUTINES).await? {
        routines.entry(Name::new(schema, name)).or_default().push(written);
    }
    let sequences = json::<Sequence>(connection, SEQUENCES).await?;
    connection.rows("COMMIT").await?;
    Ok(Survey {
        catalog,
        role: name.clone(),
        reads_all: reads_all.clone(),
        reads: reads.into_iter().map(|read| (ColumnId { relation: read.relation, number: read.number }, read.beside)).collect(),
        routines,
        sequences: sequences.into_iter().map(|one| (one.sequence, one.table)).collect(),
    })
}

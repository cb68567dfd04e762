//! What a database holds, read from its catalogs on a connection of the bastion's own and kept until it changes. Whoever asks says
//! how old it may be; what cannot be read is not guessed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bartizan_policies::sql::{Cast, Catalog, Operator, Relation, Routine, Rows, Type};
use serde::de::DeserializeOwned;

use crate::config::{Config, PostgresTarget, PostgresUser, TargetAccess};
use crate::frontdoor::Refusal;
use crate::model::TargetName;
use crate::secrets::Secrets;
use crate::upstream::roads::Roads;

use super::connection::{Connection, Row};
use super::{DatabaseError, Means, PATIENCE, connect_for_long};

/// How old a catalog may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// As old as is usual: a change made past the bastion is seen within this time.
    Usual,
    /// As it is now.
    Now,
}

/// After this time it is looked whether anything has changed.
const AGE: Duration = Duration::from_secs(1);

/// Kept for one database of one target, as one role sees it.
type Key = (TargetName, String, String);

/// The catalogs of all databases that are in use.
pub struct CatalogDesk {
    shelves: Mutex<HashMap<Key, Arc<Shelf>>>,
    /// Where each is left for `policy explain`.
    folder: PathBuf,
    secrets: Arc<Secrets>,
    roads: Arc<Roads>,
}

/// One database's catalog and the connection that it is read on.
struct Shelf {
    file: PathBuf,
    kept: Mutex<Option<Kept>>,
    reader: tokio::sync::Mutex<Option<Connection>>,
}

#[derive(Clone)]
struct Kept {
    catalog: Arc<Catalog>,
    /// Before [`MARK`] was asked for.
    snapshot: Row,
    mark: Row,
    looked: Instant,
}

/// Which transactions that write are over: as long as it is the same text, none has ended since, so that nothing has changed. It takes a
/// hundredth of the time of [`MARK`].
const SNAPSHOT: &str = "SELECT pg_catalog.txid_current_snapshot()";

/// Numbers that change with every change of what is read here, made by anybody; what is only temporary is not, nor what `initdb` makes
/// before there is SQL.
const MARK: &str = "WITH gone AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_'), \
  kept AS (SELECT oid, xmin FROM pg_catalog.pg_class WHERE oid >= 10000 AND relnamespace NOT IN (SELECT oid FROM gone)) SELECT \
  (SELECT pg_catalog.sum(pg_catalog.hashtextextended(xmin::text, oid::int8)) FROM kept), \
  (SELECT pg_catalog.sum(pg_catalog.hashtextextended(a.xmin::text, attrelid::int8 * 65536 + attnum)) \
    FROM pg_catalog.pg_attribute a JOIN kept ON kept.oid = attrelid WHERE attrelid >= 16384 AND attnum > 0), \
  (SELECT pg_catalog.sum(pg_catalog.hashtextextended(xmin::text, oid::int8)) FROM pg_catalog.pg_proc \
    WHERE oid >= 16384 AND pronamespace NOT IN (SELECT oid FROM gone)), \
  (SELECT pg_catalog.sum(pg_catalog.hashtextextended(xmin::text, oid::int8)) FROM pg_catalog.pg_operator WHERE oid >= 16384), \
  (SELECT pg_catalog.sum(pg_catalog.hashtextextended(xmin::text, oid::int8)) FROM pg_catalog.pg_cast WHERE oid >= 16384), \
  (SELECT pg_catalog.sum(pg_catalog.hashtextextended(xmin::text, oid::int8)) FROM pg_catalog.pg_type \
    WHERE oid >= 16384 AND typnamespace NOT IN (SELECT oid FROM gone)), \
  (SELECT pg_catalog.sum(pg_catalog.hashtextextended(xmin::text, oid::int8)) FROM pg_catalog.pg_namespace \
    WHERE oid NOT IN (SELECT oid FROM gone)), \
  (SELECT pg_catalog.sum(pg_catalog.hashtextextended(r.xmin::text, r.oid::int8)) \
    FROM pg_catalog.pg_rewrite r JOIN kept ON kept.oid = ev_class WHERE r.oid >= 16384), \
  (SELECT pg_catalog.sum(pg_catalog.hashint8extended(inhrelid::int8 * 4294967296 + inhparent::int8, 1)) FROM pg_catalog.pg_inherits)";

const RELATIONS: &str = "SELECT pg_catalog.json_build_object(\
    'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, \
    'kind', CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialised_view' WHEN 'f' THEN 'foreign' \
      WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'c' THEN 'composite' ELSE 'table' END, \
    'columns', coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('number', a.attnum, 'name', a.attname, 'type_oid', a.atttypid::int8) ORDER BY a.attnum) \
      FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'::json), \
    'parents', coalesce((SELECT pg_catalog.json_agg(p) FROM (\
      SELECT i.inhparent::int8 AS p FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid \
      UNION ALL SELECT x.indrelid::int8 FROM pg_catalog.pg_index x WHERE x.indexrelid = c.oid) parents), '[]'::json), \
    'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END, \
    'rules', EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'))::text \
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
  WHERE n.nspname !~ '^pg_(toast_)?temp_' ORDER BY c.oid";

const FUNCTIONS: &str = "SELECT DISTINCT pg_catalog.json_build_object('schema', n.nspname, 'name', p.proname)::text \
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')";

const SYSTEM_FUNCTIONS: &str = "SELECT DISTINCT proname FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace";

const OPERATORS: &str = "SELECT DISTINCT pg_catalog.json_build_object('schema', n.nspname, 'name', o.oprname, 'function', \
    pg_catalog.json_build_object('schema', pn.nspname, 'name', p.proname))::text \
  FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace \
  JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace \
  WHERE n.nspname <> 'pg_catalog'";

const CASTS: &str = "SELECT DISTINCT pg_catalog.json_build_object('schema', n.nspname, 'to', t.typname, 'function', \
    pg_catalog.json_build_object('schema', pn.nspname, 'name', p.proname))::text \
  FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_type t ON t.oid = c.casttarget JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
  JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace \
  WHERE pn.nspname <> 'pg_catalog'";

const TYPES: &str = "SELECT pg_catalog.json_build_object('schema', n.nspname, 'name', t.typname)::text \
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid \
  WHERE n.nspname <> 'pg_catalog' AND (c.oid IS NULL OR c.relkind = 'c') AND NOT (t.typelem <> 0 AND t.typlen = -1)";

const SCHEMAS: &str = "SELECT nspname FROM pg_catalog.pg_namespace";

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Names in definitions of views are written out in full under this.
pub(super) const PLAIN_PATH: &str = "SET LOCAL search_path = ''";

impl CatalogDesk {
    /// A desk that leaves what it read below the folder `state_dir`.
    #[must_use]
    pub fn new(state_dir: &Path, secrets: Arc<Secrets>, roads: Arc<Roads>) -> Self {
        Self { shelves: Mutex::default(), folder: state_dir.to_owned(), secrets, roads }
    }

    /// The file in which the catalog of a database is left, as the role of that name reads it.
    #[must_use]
    pub fn file(state_dir: &Path, target: &TargetName, role: &str, database: &str) -> PathBuf {
        state_dir.join("catalogs").join(target.as_str()).join(format!("{}.{}.json", in_file_name(role), in_file_name(database)))
    }

    /// What was left of all databases of the configuration, by target; what cannot be read is left out.
    #[must_use]
    pub fn left(config: &Config) -> BTreeMap<String, Vec<Rows>> {
        let mut all: BTreeMap<String, Vec<Rows>> = BTreeMap::new();
        for target in &config.targets {
            let TargetAccess::Postgres(access) = &target.access else { continue };
            for (user, database) in access.users.iter().flat_map(|user| access.databases.iter().map(move |database| (user, database))) {
                let file = Self::file(&config.server.state_dir, &target.name, user.name.as_str(), database);
                let rows = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                all.entry(target.name.to_string()).or_default().extend(rows);
            }
        }
        all
    }

    /// The catalog of `database` as `user` reads it.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn get(
        &self,
        name: &TargetName,
        target: &PostgresTarget,
        user: &PostgresUser,
        database: &str,
        fresh: Fresh,
    ) -> Result<Arc<Catalog>, Refusal> {
        let shelf = self.shelf(name, user, database);
        if let (Fresh::Usual, Some(kept)) = (fresh, shelf.kept())
            && kept.looked.elapsed() < AGE
        {
            return Ok(kept.catalog);
        }
        let asked = Instant::now();
        let reading = async {
            let mut reader = shelf.reader.lock().await;
            // Others may have asked meanwhile, and what they read after our question answers it too.
            if let Some(kept) = shelf.kept()
                && (kept.looked > asked || (fresh == Fresh::Usual && kept.looked.elapsed() < AGE))
            {
                return Ok(kept.catalog);
            }
            let means = Means { roads: &self.roads, secrets: &self.secrets };
            shelf.look(&mut reader, means, target, user, database).await
        };
        let read = tokio::time::timeout(PATIENCE, reading).await.unwrap_or(Err(DatabaseError::Slow));
        read.map_err(|error| {
            let sentence = format!("The bastion cannot read the catalogs of {name} now, so nothing can be decided; try again.");
            Refusal::unavailable(sentence, format!("{name}: the catalogs: {error}"))
        })
    }

    /// Ends the connections to `target` on which nothing is asked just now: whoever publishes it waits for what it carries to end.
    pub fn let_go(&self, target: &TargetName) {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, shelf) in shelves.iter().filter(|((name, ..), _)| name == target) {
            drop(shelf.reader.try_lock().map(|mut reader| reader.take()));
        }
    }

    fn shelf(&self, name: &TargetName, user: &PostgresUser, database: &str) -> Arc<Shelf> {
        let key = (name.clone(), user.name.to_string(), database.to_owned());
        let shelf = || {
            Arc::new(Shelf {
                file: Self::file(&self.folder, name, user.name.as_str(), database),
                kept: Mutex::default(),
                reader: tokio::sync::Mutex::default(),
            })
        };
        Arc::clone(self.shelves.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(shelf))
    }
}

impl Shelf {
    fn kept(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks whether anything has changed, and reads it all if so. A connection that fails is tried once more anew.
    async fn look(
        &self,
        reader: &mut Option<Connection>,
        means: Means<'_>,
        target: &PostgresTarget,
        user: &PostgresUser,
        database: &str,
    ) -> Result<Arc<Catalog>, DatabaseError> {
        let kept = self.kept();
        let was_open = reader.is_some();
        // Taken out while it is used: a reading that is given up leaves no connection in the middle of an answer.
        let mut read = once(reader.take(), means, target, user, database, kept.clone()).await;
        if was_open && read.is_err() {
            read = once(None, means, target, user, database, kept).await;
        }
        let (connection, kept) = read?;
        *reader = Some(connection);
        let catalog = Arc::clone(&kept.catalog);
        if self.kept().is_none_or(|before| before.catalog.number() != catalog.number()) {
            self.leave(Arc::clone(&catalog)).await;
        }
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(catalog)
    }
}

impl Shelf {
    /// Leaves a copy in the file. Nothing that is decided depends on it.
    async fn leave(&self, catalog: Arc<Catalog>) {
        let file = self.file.clone();
        let left = tokio::task::spawn_blocking(move || leave(&file, catalog.rows())).await;
        let left = left.map_err(|error| error.to_string()).and_then(|left| left.map_err(|error| error.to_string()));
        if let Err(error) = left {
            tracing::warn!(file = %self.file.display(), %error, "a catalog could not be left for policy explain");
        }
    }
}

/// Whoever reads the file sees all of one catalog.
fn leave(file: &Path, rows: &Rows) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(std::io::BufWriter::new(&mut new), rows)?;
    new.persist(file).map(drop).map_err(|error| error.error)
}

/// A name as a part of a file's.
fn in_file_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

async fn once(
    connection: Option<Connection>,
    means: Means<'_>,
    target: &PostgresTarget,
    user: &PostgresUser,
    database: &str,
    kept: Option<Kept>,
) -> Result<(Connection, Kept), DatabaseError> {
    let is_same = connection.is_some();
    let mut connection = match connection {
        Some(connection) => connection,
        None => {
            let name = ("application_name".to_owned(), "bartizan".to_owned());
            connect_for_long(means, target, user, database, &[name]).await?
        }
    };
    let looked = Instant::now();
    let snapshot = connection.row("bartizan snapshot", SNAPSHOT).await?;
    // Another server, which may have taken over, counts its transactions by itself.
    if let Some(kept) = kept.as_ref().filter(|kept| is_same && kept.snapshot == snapshot) {
        return Ok((connection, Kept { looked, ..kept.clone() }));
    }
    let mark = connection.row("bartizan mark", MARK).await?;
    if let Some(kept) = kept.filter(|kept| kept.mark == mark) {
        return Ok((connection, Kept { looked, snapshot, ..kept }));
    }
    connection.rows(BEGIN).await?;
    connection.rows(PLAIN_PATH).await?;
    // Once more, now that what is read cannot change under the reading.
    let mark = connection.row("bartizan mark", MARK).await?;
    let catalog = Arc::new(Catalog::new(read(&mut connection, database).await?));
    connection.rows("COMMIT").await?;
    Ok((connection, Kept { catalog, snapshot, mark, looked }))
}

pub(super) async fn read(connection: &mut Connection, database: &str) -> Result<Rows, DatabaseError> {
    let version = connection.rows("SELECT pg_catalog.current_setting('server_version_num')").await?;
    let version: u32 = version.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Rows {
        major: u16::try_from(version / 10_000).unwrap_or(0),
        database: database.to_owned(),
        relations: json::<Relation>(connection, RELATIONS).await?.into_iter().map(Arc::new).collect(),
        functions: json::<Routine>(connection, FUNCTIONS).await?,
        system_functions: connection.rows(SYSTEM_FUNCTIONS).await?.into_iter().flatten().flatten().map(Into::into).collect(),
        operators: json::<Operator>(connection, OPERATORS).await?,
        casts: json::<Cast>(connection, CASTS).await?,
        types: json::<Type>(connection, TYPES).await?,
        schemas: connection.rows(SCHEMAS).await?.into_iter().flatten().flatten().map(Into::into).collect(),
    })
}

/// The rows of a statement that gives one JSON text in each.
pub(super) async fn json<T: DeserializeOwned>(connection: &mut Connection, sql: &str) -> Result<Vec<T>, DatabaseError> {
    let rows = connection.rows(sql).await?;
    let texts = rows.iter().flatten().flatten();
    let read: Result<Vec<T>, _> = texts.map(|text| serde_json::from_str(text)).collect();
    read.map_err(|error| DatabaseError::Protocol(format!("a catalog cannot be understood: {error}")))
}

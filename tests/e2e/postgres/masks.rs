//! Masked columns on a real server: no byte of what is planted reaches the client.

use std::process::Command;

use crate::harness::{Run, fixture, repository};

use super::Site;

/// As the corpus says at its beginning: everything is permitted, and these columns are masked.
const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);
@id("developers-may-everything")
permit (principal in Group::"corp/developers", action, resource);

@id("emails") @mask("redact")
forbid (principal in Group::"corp/developers", action == Action::"pg.read_column", resource == Column::"orders/public.customers.email");
@id("cards") @mask("last4") @mask_use("eq")
forbid (principal in Group::"corp/developers", action == Action::"pg.read_column", resource == Column::"orders/public.customers.card");
@id("ages") @mask("null")
forbid (principal in Group::"corp/developers", action == Action::"pg.read_column", resource == Column::"orders/public.customers.age");
@id("ssns") @mask("hash")
forbid (principal in Group::"corp/developers", action == Action::"pg.read_column", resource == Column::"orders/public.people.ssn");
@id("bonuses") @mask("null")
forbid (principal in Group::"corp/developers", action == Action::"pg.read_column", resource == Column::"orders/public.managers.bonus");
@id("odd") @mask("redact")
forbid (principal in Group::"corp/developers", action == Action::"pg.read_column", resource == Column::"orders/public.Odd Names.E-Mail");
"#;

/// What the database of the corpus holds, and what role `app` may there.
fn tables() -> String {
    let tables = std::fs::read_to_string(repository("policies/src/sql/corpus.sql")).unwrap();
    let grants = "
DO $$ DECLARE s text; BEGIN FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
  EXECUTE format('GRANT ALL ON SCHEMA %I TO app', s);
  EXECUTE format('GRANT ALL ON ALL TABLES IN SCHEMA %I TO app', s);
  EXECUTE format('GRANT ALL ON ALL FUNCTIONS IN SCHEMA %I TO app', s);
END LOOP;
FOR s IN SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND relkind IN ('r', 'p', 'v', 'm', 'f') LOOP
  EXECUTE format('ALTER TABLE %s OWNER TO app', s);
END LOOP;
FOR s IN SELECT c.oid::regclass::text FROM pg_class c LEFT JOIN pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i')
    WHERE relkind = 'S' AND d.objid IS NULL LOOP
  EXECUTE format('ALTER SEQUENCE %s OWNER TO app', s);
END LOOP; END $$;";
    tables + grants
}

/// A site whose database is that of the corpus.
fn site() -> Site {
    Site::of("corpus", POLICIES, "", &tables(), "")
}

#[test]
fn no_secret_of_the_corpus_reaches_a_client_for_whom_it_is_masked() {
    run_corpus(&site());
}

#[test]
fn nor_by_what_only_a_newer_server_understands() {
    let site = Site::of_another_major("corpus", POLICIES, &tables());
    assert!(site.server.ask("SHOW server_version").starts_with("18."));
    run_corpus(&site);
}

fn run_corpus(site: &Site) {
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let mut command = Command::new("python3");
    command.arg(fixture("postgres/corpus.py")).arg(tunnel.port.to_string()).arg(repository("policies/src/sql/corpus.toml"));
    let done = Run::new(command).within(600).finish();
    assert!(done.status.success(), "{done}");
    // One statement compares with a value that its author knew.
    let recorded = site.recorded().replace("'4000SECRET001111'", "");
    assert!(!recorded.contains("SECRET"), "a secret is in a recording");
}

#[test]
fn who_has_no_mask_sees_what_the_server_sends() {
    let site = site();
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let mut psql = alice
        .command("psql", ["-XAt", "-h", "127.0.0.1", "-U", "app", "-d", "corpus", "-c", "SELECT email FROM customers ORDER BY id", "-p"]);
    psql.arg(tunnel.port.to_string());
    assert!(Run::new(psql).ok().text().contains("SECRETann@leak.example"));
}

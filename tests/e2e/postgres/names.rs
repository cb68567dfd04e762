//! What names mean changes under a session for which something is masked: by others, past the bastion, between two statements; and by
//! settings that only look as if they lasted. No secret comes through.

use super::Site;

const POLICIES: &str = r#"
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);
@id("developers-may-everything")
permit (principal in Group::"corp/developers", action, resource);
@id("emails") @mask("redact")
forbid (principal, action == Action::"pg.read_column", resource == Column::"orders/public.customers.email");
@id("notes") @mask("redact")
forbid (principal, action == Action::"pg.read_column", resource == Column::"orders/public.notes.email");
"#;

const TABLES: &str = "
CREATE TABLE customers (id int, name text, email text);
INSERT INTO customers VALUES (1, 'ann', 'secret@leak.example');
CREATE TABLE notes (id int, body text);
INSERT INTO notes VALUES (1, 'secret of a note');
CREATE VIEW v AS SELECT id, name AS x FROM customers;
CREATE SCHEMA other;
CREATE TABLE other.customers (id int, email text);
INSERT INTO other.customers VALUES (1, 'plain@other.example');
GRANT ALL ON ALL TABLES IN SCHEMA public, other TO app;
GRANT ALL ON SCHEMA public, other TO app;
";

/// A line for psql: its owner changes something, past the bastion.
fn past(site: &Site, statement: &str) -> String {
    let socket = site.server.dir.join("socket");
    format!("\\! psql -X -q -U owner -d orders -h {} -p {} -c \"{statement}\"\n", socket.display(), site.server.port)
}

#[test]
fn what_others_change_past_the_bastion_is_known_to_the_next_statement() {
    let site = Site::with(POLICIES, "", TABLES);
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let past = |statement: &str| past(&site, statement);
    let script = [
        "PREPARE p AS SELECT x FROM v;\nEXECUTE p;\nSELECT upper(x) FROM v;\n",
        &past("CREATE OR REPLACE VIEW v AS SELECT id, email AS x FROM customers"),
        "SELECT upper(x) FROM v;\nEXECUTE p;\nSELECT x FROM v;\n",
        "SELECT body FROM notes WHERE false;\n",
        &past("ALTER TABLE notes RENAME body TO email"),
        "SELECT * FROM notes;\nSELECT upper(email) FROM notes;\n",
        &past("DROP VIEW v; DROP TABLE customers; CREATE TABLE customers (email text, id int); INSERT INTO customers VALUES ('secret@again.example', 2); GRANT ALL ON customers TO app"),
        "SELECT * FROM customers;\nSELECT lower(email) FROM customers;\n",
        &past("CREATE FUNCTION leak(int) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM public.customers'"),
        "SELECT leak(1);\n",
        &past("CREATE OPERATOR === (leftarg = int, rightarg = int, function = pg_catalog.int4eq); CREATE FUNCTION initcap(int) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM public.customers'"),
        "SELECT initcap(1);\nSELECT 1;\n",
    ]
    .concat();
    let done = tunnel.ask(&bob, &script);
    let shown = format!("{done}").to_ascii_lowercase();
    assert!(!shown.contains("secret"), "{done}");
    let text = done.text();
    assert!(text.starts_with("ann\nANN\n") && text.ends_with("\n1\n"), "what is not masked goes on: {done}");
    assert!(text.contains("1|[redacted]\n") && text.contains("[redacted]|2\n"), "{done}");
    assert!(done.err.matches("is masked for you and cannot be used in an expression").count() >= 3, "{done}");
}

#[test]
fn where_nothing_is_masked_a_view_is_decided_by_what_it_has_become_just_now() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let view = |from: &str| past(&site, &format!("CREATE OR REPLACE VIEW v AS SELECT {from}; GRANT SELECT ON v TO app"));
    let (open, closed) = (view("body AS x FROM notes"), view("name AS x FROM payroll"));
    let read = "SELECT x, 'read' FROM v;\n";
    let turn = [&open, read, &closed, read, &past(&site, "INSERT INTO notes (body) VALUES ('more')"), read].concat();
    let done = tunnel.ask(&bob, &format!("INSERT INTO notes (body) VALUES ('note');\n{}", turn.repeat(4)));
    assert!(!done.text().contains("alice"), "{done}");
    // One note and then one more each turn; and two statements that are refused.
    assert_eq!(
        (done.text().matches("|read").count(), done.err.matches("is refused by policy \"nobody-reads-payroll\"").count()),
        (1 + 2 + 3 + 4, 8),
        "{done}"
    );
}

#[test]
fn a_setting_that_ends_with_its_statement_is_not_taken_to_last() {
    let site = Site::with(POLICIES, "", TABLES);
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let read = "SELECT upper(email) FROM customers;\n";
    let script = [
        "SET LOCAL search_path = other;\n",
        read,
        "SELECT set_config('search_path', 'other', true);\n",
        read,
        "SELECT set_config('search_path', 'other', false) WHERE false;\n",
        read,
        "BEGIN;\nSELECT set_config('search_path', 'other', true) FROM generate_series(1, 1);\n",
        read,
        "COMMIT;\n",
        read,
        "BEGIN;\nDECLARE c CURSOR FOR SELECT set_config('search_path', 'public', false) FROM generate_series(1, 1);\nSET search_path = other;\nFETCH c;\n",
        read,
        "COMMIT;\n",
        "CREATE TABLE IF NOT EXISTS customers (email text, id int);\n",
        read,
        "SET search_path = other;\n",
        read,
    ]
    .concat();
    let done = tunnel.ask(&bob, &script);
    assert!(!format!("{done}").to_ascii_lowercase().contains("secret"), "{done}");
    assert_eq!(done.text().matches("PLAIN@OTHER.EXAMPLE").count(), 2, "what is the other's is read while it is meant: {done}");
}

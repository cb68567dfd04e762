//! What statements do through the bastion: the same as directly, or what policy says.

use std::process::Command;

use crate::harness::{Guarded, Run, Watching, fixture, wait_until};

use super::Site;
use super::site::{POLICIES, TABLES};

#[test]
fn what_is_denied_fails_alone_and_the_connection_and_the_transaction_stay_true() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let done = tunnel.ask(
        &bob,
        "\\set VERBOSITY verbose
SELECT salary FROM payroll;
SELECT count(*) FROM orders;
BEGIN;
INSERT INTO notes (body) VALUES ('in vain');
SELECT name FROM payroll;
SELECT 1;
ROLLBACK;
SELECT count(*) FROM notes;
SAVEPOINT nowhere;
BEGIN;
SAVEPOINT a;
SELECT * FROM payroll;
ROLLBACK TO a;
INSERT INTO notes (body) VALUES ('kept');
COMMIT;
SELECT body FROM notes;
SELECT 1; SELECT salary FROM payroll;
",
    );
    assert_eq!(done.text(), "100\n0\nkept\n1\n", "{done}");
    assert_eq!(done.err.matches("ERROR:  42501:").count(), 4, "{done}");
    assert!(done.err.contains("nobody-reads-payroll") && done.err.contains("Salaries are for the payroll team."), "{done}");
    assert!(done.err.contains("25P02"), "the transaction has failed in the server too: {done}");
    assert!(!done.err.contains("BARTIZAN DENIED") && !format!("{done}").contains("123456789"), "{done}");
    let recorded = site.recorded();
    assert!(recorded.contains("SELECT salary FROM payroll") && recorded.contains("42501"), "{recorded}");
    let audited = site.audited();
    assert!(audited.contains("nobody-reads-payroll") && audited.contains("pg.select"), "{audited}");
}

#[test]
fn a_text_of_several_statements_is_decided_whole_before_any_of_it_runs() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let done =
        tunnel.psql(&bob, &["-At", "-c", "INSERT INTO notes (body) VALUES ('first'); SELECT salary FROM payroll"]).finish().refused();
    assert!(done.err.contains("42501") || done.err.contains("nobody-reads-payroll"), "{done}");
    assert_eq!(site.server.ask("SELECT count(*) FROM notes"), "0");
}

#[test]
fn what_cannot_be_read_is_refused_and_the_session_goes_on() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let long = "x".repeat(17 << 20);
    let done = tunnel.ask(&bob, &format!("SELECT '{long}';\nSELECT FROM WHERE;\nSELECT * FROM no_such_table;\nSELECT 5;\n"));
    assert_eq!(done.text(), "5\n", "{}", &done.err[..done.err.len().min(2_000)]);
    assert!(done.err.contains("16 MiB") && done.err.contains("syntax error at or near \"WHERE\""), "{}", done.err);
    assert!(done.err.contains("relation \"no_such_table\" does not exist"), "{}", done.err);
}

#[test]
fn copies_go_in_and_out() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let done = tunnel.ask(
        &bob,
        "COPY notes (body) FROM STDIN;
one
two
\\.
COPY (SELECT body FROM notes ORDER BY id) TO STDOUT;
COPY payroll TO STDOUT;
COPY notes (id, body) FROM STDIN;
not a number\tx
\\.
SELECT count(*) FROM notes;
COPY orders FROM '/etc/passwd';
COPY orders TO PROGRAM 'cat';
SELECT 'still here';
",
    );
    assert_eq!(done.text(), "one\ntwo\n2\nstill here\n", "{done}");
    assert!(done.err.contains("invalid input syntax for type integer"), "{done}");
}

#[test]
fn a_held_statement_waits_for_people_and_is_told_of_it() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let tunnel = site.tunnel(&bob);
    let delete = |arguments: &'static [&'static str]| {
        let command = tunnel.psql_command(&bob, arguments);
        std::thread::spawn(move || crate::harness::Run::new(command).within(60).finish())
    };
    let waiting = |site: &Site| {
        let mut id = None;
        crate::harness::wait_until("something waits", || {
            let list = alice.ssh(["bastion", "approvals", "--json"]).ok().json();
            id = list.as_array().unwrap().first().map(|one| (one["id"].as_str().unwrap().to_owned(), one["operation"].to_string()));
            id.is_some()
        });
        assert!(site.server.ask("SELECT count(*) FROM orders") != "0");
        id.unwrap()
    };
    let yes = delete(&["-c", "DELETE FROM orders WHERE id = 1", "-c", "SELECT 'after'"]);
    let (id, operation) = waiting(&site);
    assert!(operation.contains("DELETE FROM orders WHERE id = 1"), "{operation}");
    assert_eq!(site.server.ask("SELECT count(*) FROM orders"), "100", "it is not sent before it is approved");
    alice.ssh(["bastion", "approve", &id]).ok();
    let done = yes.join().unwrap().ok();
    assert!(done.err.contains("needs approval") && done.err.contains("approved by corp/alice") && done.text().contains("after"), "{done}");
    assert_eq!(site.server.ask("SELECT count(*) FROM orders"), "99");

    let no = delete(&["-v", "VERBOSITY=verbose", "-c", "DELETE FROM orders WHERE id = 2"]);
    let (id, _) = waiting(&site);
    alice.ssh(["bastion", "deny", &id, "not", "now"]).ok();
    let done = no.join().unwrap().refused();
    assert!(done.err.contains("42501") && done.err.contains("not now"), "{done}");
    assert_eq!(site.server.ask("SELECT count(*) FROM orders"), "99");
    let recorded = site.recorded();
    assert!(recorded.contains("DELETE FROM orders WHERE id = 1") && recorded.contains("DELETE 1"), "{recorded}");
}

#[test]
fn names_of_sql_and_of_the_protocol_are_one_namespace_and_lead_nowhere_that_policy_did_not_see() {
    // Held rather than denied: what is denied is not even prepared.
    let held = POLICIES.replace(
        "forbid (principal in Group::\"corp/developers\", action, resource in",
        "@approve(\"corp/admins\")\nforbid (principal in Group::\"corp/developers\", action == Action::\"pg.select\", resource ==",
    );
    assert!(held.contains("resource == Table"), "{held}");
    let site = Site::with(Box::leak(held.into_boxed_str()), "\n[approvals]\nwait = \"3s\"\n", TABLES);
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let mut names = Command::new("python3");
    names.arg(fixture("postgres/names.py")).arg(tunnel.port.to_string());
    let said = Run::new(names).within(120).ok().text();
    assert!(said.lines().count() == 12 && said.lines().all(|line| line.ends_with("as it should")), "{said}");
    assert!(!said.contains("123456789"), "{said}");
}

#[test]
fn a_statement_that_is_denied_is_neither_prepared_nor_described() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let mut described = Command::new("python3");
    described.arg(fixture("postgres/described.py")).arg(tunnel.port.to_string());
    let said = Run::new(described).within(120).ok().text();
    assert!(said.lines().count() == 8 && said.lines().all(|line| line.ends_with("as it should")), "{said}");
    let mut clients = Command::new(crate::harness::repository(".deps/venv/bin/python"));
    clients.arg(fixture("postgres/clients/denied.py")).arg(tunnel.port.to_string());
    assert_eq!(Run::new(clients).within(120).ok().text(), "all well\n");
    let recorded = site.recorded();
    assert!(recorded.contains("SELECT name, salary FROM payroll") && recorded.contains("42501"), "{recorded}");
    let audited = site.audited();
    assert!(audited.contains("nobody-reads-payroll"), "{audited}");
}

#[test]
fn a_hold_ends_before_the_server_ends_the_transaction() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let tunnel = site.tunnel(&bob);
    let done = tunnel.ask(
        &bob,
        "\\set VERBOSITY verbose
SET idle_in_transaction_session_timeout = '3s';
BEGIN;
INSERT INTO notes (body) VALUES ('in the transaction');
DELETE FROM orders WHERE id = 3;
ROLLBACK;
SELECT 'still here';
",
    );
    assert_eq!(done.text(), "still here\n", "{done}");
    assert!(done.err.contains("57014") && done.err.contains("nobody approved it within 2 s"), "{done}");
    assert!(done.err.contains("the server ends a transaction that idles") && done.err.contains("stays open meanwhile"), "{done}");
    wait_until("it is withdrawn", || alice.ssh(["bastion", "approvals", "--json"]).ok().json().as_array().unwrap().is_empty());
    assert_eq!(site.server.ask("SELECT count(*) FROM orders"), "100");
}

#[test]
fn whoever_watches_a_database_session_sees_its_statements_as_they_run() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let tunnel = site.tunnel(&bob);
    let log = bob.dir.join("psql.log");
    let (_psql, mut keys) = Guarded::fed(tunnel.psql_command(&bob, &["-At", "-f", "-"]), &log);
    let mut say = |text: &str| std::io::Write::write_all(&mut keys, text.as_bytes()).unwrap();
    say("SELECT 'first';\n");
    wait_until("it has begun", || std::fs::read_to_string(&log).unwrap().contains("first"));
    let list = site.world.bastion.run(["sessions", "list", "--json"]).ok().json();
    let mut watching = Watching::begin(&alice, list[0]["id"].as_str().unwrap());
    watching.until_told("screen");
    say("SELECT customer FROM orders WHERE id = 42;\nSELECT name FROM payroll;\n");
    // What ran before is told first.
    let mut told_of = |begin: &str| loop {
        let told = watching.until_told("operation");
        if told["statement"].as_str().is_some_and(|text| text.starts_with(begin)) {
            return (told, watching.until_told("operation"));
        }
    };
    let (asked, answered) = told_of("SELECT customer FROM orders WHERE id = 42");
    assert_eq!(asked["verdict"], "allow", "{asked}");
    assert_eq!((answered["tag"].as_str(), answered["rows"].as_u64()), (Some("SELECT 1"), Some(1)), "{answered}");
    say("SELECT 'last';\n");
    let (denied, last) = told_of("SELECT name FROM payroll");
    assert_eq!(denied["verdict"], "deny", "{denied}");
    assert_eq!(denied["sqlstate"], "42501", "{denied}");
    assert_eq!(last["statement"], "SELECT 'last';", "{last}");
    // What came of it is told though nothing follows.
    assert_eq!(watching.until_told("operation")["tag"], "SELECT 1");
}

#[test]
fn what_came_of_each_of_many_statements_at_once_is_recorded() {
    let site = Site::start();
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let text: String = (0..200).map(|n| format!("SELECT {n};")).collect();
    let done = tunnel.psql(&bob, &["-At", "-c", &text]).ok();
    assert_eq!(done.text().lines().count(), 200, "{done}");
    let recorded = || site.recorded().matches("SELECT 1 (").count();
    wait_until("all of it is recorded", || recorded() == 200);
}

#[test]
fn results_are_recorded_where_policy_says_so_and_only_so_many() {
    let more = r#"
@id("a-trial") @record("results")
permit (principal in Group::"corp/developers", action == Action::"pg.select", resource == Table::"orders/public.notes");
"#;
    let site = Site::with(Box::leak(format!("{POLICIES}{more}").into_boxed_str()), "", super::site::TABLES);
    site.server.ask("INSERT INTO notes (body) VALUES ('seen-in-the-recording'), (NULL)");
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let done = tunnel.ask(
        &bob,
        "SELECT * FROM notes ORDER BY id;
COPY notes TO STDOUT;
SELECT customer FROM orders WHERE id = 17;
SELECT n.body || g FROM notes n, generate_series(1, 5000) g WHERE n.id = 1;
",
    );
    assert_eq!(done.text().lines().count(), 2 + 2 + 1 + 5_000, "{done}");
    let recorded = site.recorded();
    assert!(recorded.contains("1|seen-in-the-recording\n2|\nSELECT 2 ("), "{recorded}");
    assert!(recorded.contains("2\\t\\\\N") || recorded.contains("2\\t\\N"), "{recorded}");
    assert!(recorded.contains("seen-in-the-recording499") && !recorded.contains("seen-in-the-recording501"), "bounded");
    assert!(recorded.contains("(more rows are not recorded)"));
    assert!(!recorded.contains("customer 17"), "no policy wants it");
}

#[test]
fn a_principal_who_may_only_read_gets_a_session_that_only_reads() {
    let policies: &'static str = Box::leak(
        POLICIES
            .replace("Action::\"pg.read\", Action::\"pg.write\", Action::\"pg.set\"", "Action::\"pg.read\", Action::\"pg.set\"")
            .replace("@id(\"developers-make-temporary-things\")\npermit", "@id(\"nobody-makes-things\")\nforbid")
            .into_boxed_str(),
    );
    let site = Site::with(policies, "", super::site::TABLES);
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let done = site.tunnel(&bob).ask(&bob, "SHOW transaction_read_only;\nINSERT INTO notes (body) VALUES ('x');\n");
    assert_eq!(done.text(), "on\n", "{done}");
    assert!(done.err.contains("bartizan: pg.insert"), "{done}");
    assert_eq!(site.tunnel(&alice).ask(&alice, "SHOW transaction_read_only;").text(), "off\n");
}

#[test]
fn a_change_of_the_search_path_is_followed_before_the_next_name_is_read() {
    let tables = format!(
        "{}\nCREATE SCHEMA other; CREATE VIEW other.orders AS SELECT * FROM payroll; GRANT ALL ON SCHEMA other TO app; GRANT ALL ON other.orders TO app;",
        super::site::TABLES
    );
    let policies: &'static str = Box::leak(format!("{POLICIES}\n@id(\"other-is-closed\") forbid (principal in Group::\"corp/developers\", action, resource in Table::\"orders/other.orders\");").into_boxed_str());
    let site = Site::with(policies, "", &tables);
    let bob = site.world.visitor("bob");
    let tunnel = site.tunnel(&bob);
    let done = tunnel.ask(
        &bob,
        "SET search_path = other, public;
SELECT * FROM orders LIMIT 1;
RESET search_path;
SELECT id FROM orders LIMIT 1;
BEGIN;
SET LOCAL search_path = other;
SELECT * FROM orders LIMIT 1;
ROLLBACK;
SELECT id FROM orders LIMIT 1;
SELECT pg_catalog.set_config('search_path', 'other', false);
SELECT * FROM orders LIMIT 1;
SET search_path = other; SELECT * FROM orders LIMIT 1;
",
    );
    assert!(!format!("{done}").contains("123456789"), "{done}");
    assert_eq!(done.text().lines().filter(|line| *line == "1").count(), 2, "{done}");
    assert_eq!(done.err.matches("refused by policy \"other-is-closed\"").count(), 4, "{done}");
}

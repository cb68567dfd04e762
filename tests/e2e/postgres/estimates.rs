//! How many rows a statement is about, as the server's planner guesses: few are let through, many wait, and what cannot be told waits too.

use crate::harness::{repository, wait_until};

use super::Site;

/// As the site's, and what changes more than a few rows waits.
const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-reach-databases")
permit (principal in Group::"corp/developers", action == Action::"connect", resource == Target::"orders");

@id("developers-do-all-of-it")
permit (principal in Group::"corp/developers", action in [Action::"pg.read", Action::"pg.write", Action::"pg.set", Action::"pg.call", Action::"pg.ddl"],
  resource in Target::"orders");

@id("large-changes-are-approved")
@approve("corp/admins")
forbid (principal in Group::"corp/developers", action in [Action::"pg.update", Action::"pg.delete"], resource)
unless { context has estimated_rows && context.estimated_rows <= 10 };
"#;

const TABLES: &str = "
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, at date NOT NULL);
INSERT INTO orders SELECT n, 'customer ' || n, '2026-01-01'::date + n FROM generate_series(1, 5000) n;
CREATE TABLE large.orders AS SELECT * FROM public.orders;
CREATE TABLE small.orders AS SELECT * FROM public.orders LIMIT 3;
CREATE FUNCTION public.told(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'it was called'; END $$;
CREATE VIEW telling AS SELECT * FROM orders WHERE id = told(1);
ANALYZE;
GRANT ALL ON ALL TABLES IN SCHEMA public, small, large TO app;
GRANT USAGE ON SCHEMA small, large TO app;
GRANT CREATE ON SCHEMA public TO app;
";

fn site(other: bool) -> Site {
    let tables: &'static str = Box::leak(format!("CREATE SCHEMA small; CREATE SCHEMA large; {TABLES}").into_boxed_str());
    if other { Site::of_another_major("orders", POLICIES, tables) } else { Site::with(POLICIES, "", tables) }
}

#[test]
fn a_small_change_is_let_through_and_a_large_one_waits_on_an_older_server() {
    small_and_large(&site(false), false);
}

#[test]
fn a_small_change_is_let_through_and_a_large_one_waits_on_a_newer_server() {
    small_and_large(&site(true), true);
}

/// `generic`: the server plans statements without the values of their parameters.
fn small_and_large(site: &Site, generic: bool) {
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let tunnel = site.tunnel(&bob);
    let waits = || {
        let list = alice.ssh(["bastion", "approvals", "--json"]).ok().json();
        list.as_array().unwrap().first().map(|one| one["id"].as_str().unwrap().to_owned())
    };
    let few = [
        "DELETE FROM orders WHERE id = 1",
        "UPDATE orders SET customer = 'x' WHERE id IN (2, 3, 4)",
        "SET search_path = small, public; DELETE FROM orders",
        "WITH gone AS (DELETE FROM orders WHERE id = 5 RETURNING *) SELECT count(*) FROM gone, public.orders",
        "BEGIN; DELETE FROM orders WHERE id = 6; COMMIT",
        // What the session reads as the second of January is one day, not a month's worth.
        "SET DateStyle = 'ISO, DMY'; DELETE FROM orders WHERE at < '03/01/2026'",
    ];
    for text in few {
        let commands: Vec<&str> = text.split("; ").flat_map(|part| ["-c", part]).collect();
        let done = tunnel.psql(&bob, &[&["-v", "ON_ERROR_STOP=1", "-At"], commands.as_slice()].concat()).within(60).finish();
        assert!(done.code() == 0 && !done.err.contains("needs approval"), "{text}: {done}");
    }
    let many = [
        ("DELETE FROM orders", true),
        ("DELETE FROM orders WHERE id > 4000", true),
        ("WITH gone AS (DELETE FROM orders WHERE id > 4000 RETURNING *) SELECT count(*) FROM gone", true),
        ("SET search_path = large, public; DELETE FROM orders", true),
        // A text in which something changed what is meant before, and what only the session knows.
        ("CREATE TEMP TABLE orders (id int); DELETE FROM orders", false),
        ("DELETE FROM orders WHERE id = told(1)", false),
        ("DELETE FROM orders USING telling WHERE orders.id = 7", false),
    ];
    for (text, known) in many {
        let commands: Vec<String> = text.split("; ").flat_map(|part| ["-c".to_owned(), part.to_owned()]).collect();
        let arguments: Vec<&str> = ["-At"].into_iter().chain(commands.iter().map(String::as_str)).collect();
        let command = tunnel.psql_command(&bob, &arguments);
        let asking = std::thread::spawn(move || crate::harness::Run::new(command).within(90).finish());
        let mut id = None;
        wait_until(&format!("it waits: {text}"), || {
            id = waits();
            id.is_some() || asking.is_finished()
        });
        let Some(id) = id else { panic!("{text} (known: {known}) did not wait: {}", asking.join().unwrap()) };
        alice.ssh(["bastion", "deny", &id, "no"]).ok();
        let done = asking.join().unwrap();
        assert!(!done.err.contains("it was called"), "nothing is run: {text}: {done}");
        wait_until("it waits no more", || waits().is_none());
    }
    assert_eq!(site.server.ask("SELECT count(*) > 4900 FROM public.orders"), "t");
    // A statement with places for values is planned without them where the server can.
    if generic {
        let mut python = bob.command(repository(".deps/venv/bin/python"), ["-c", PREPARED]);
        python.arg(tunnel.port.to_string());
        assert_eq!(crate::harness::Run::new(python).within(60).ok().text(), "1\n");
    }
}

/// Deletes one row by its number.
const PREPARED: &str = r#"
import sys, psycopg
with psycopg.connect(f"host=127.0.0.1 port={sys.argv[1]} user=app dbname=orders", autocommit=True) as db:
    print(db.execute("DELETE FROM orders WHERE id = %s", (8,)).rowcount)
"#;

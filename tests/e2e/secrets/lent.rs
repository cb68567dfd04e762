//! Accounts that a vault makes in a real PostgreSQL server and lends: renewed while they are used, gone when they are not.

use std::time::Duration;

use super::{are_nowhere, is_let_in};
use crate::harness::{Guarded, PASSWORD, Postgres, ROOT, Vault, wait_until};
use crate::postgres::site::Site;

/// Has the vault make accounts in the server that count for `ttl`, and at most for `longest`.
fn lends(vault: &Vault, server: &Postgres, ttl: &str, longest: &str) {
    server.psql("postgres", &["-c", "CREATE ROLE lender LOGIN SUPERUSER PASSWORD 'planted-lender'"]).ok();
    vault.ok(&["secrets", "enable", "database"]);
    let url = format!("postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/orders?sslmode=require", server.port);
    let (url, user) = (format!("connection_url={url}"), "username=lender");
    let plugin = ["plugin_name=postgresql-database-plugin", "allowed_roles=*", "password=planted-lender", user, &url];
    vault.ok(&[["write", "database/config/orders"].as_slice(), plugin.as_slice()].concat());
    let make = "creation_statements=CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE app";
    let (ttl, longest) = (format!("default_ttl={ttl}"), format!("max_ttl={longest}"));
    vault.ok(&["write", "database/roles/orders", "db_name=orders", make, &ttl, &longest]);
}

fn site(vault: &Vault, ttl: &str, longest: &str) -> Site {
    let section = vault.section(&format!("{{ token = {{ exec = [\"echo\", \"{ROOT}\"] }} }}"));
    Site::with_password(
        |server| {
            lends(vault, server, ttl, longest);
            "{ vault = \"database/creds/orders\" }".to_owned()
        },
        &section,
    )
}

/// The accounts that there are.
fn accounts(site: &Site) -> Vec<String> {
    let names = site.server.ask("SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%' ORDER BY 1");
    names.lines().map(str::to_owned).collect()
}

#[test]
fn a_lent_account_is_renewed_while_a_session_uses_it_and_given_back_when_none_does() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::start(folder.path());
    let site = site(&vault, "6s", "10m");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let user = tunnel.ask(&alice, "SELECT current_user").ok().text();
    assert!(user.starts_with("v-"), "{user}");
    assert_eq!(accounts(&site), [user.trim()]);
    // A session that lasts much longer than the account would by itself.
    let last = "SELECT 'last ' || pg_catalog.count(*) FROM public.orders";
    let log = alice.dir.join("long.log");
    let mut long = Guarded::logged(tunnel.psql_command(&alice, &["-At", "-c", "SELECT pg_catalog.pg_sleep(15)", "-c", last]), &log);
    let status = long.wait(Duration::from_secs(60)).unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(status.success() && said.contains("last 100"), "{said}");
    wait_until("the account is gone", || accounts(&site).is_empty());
    is_let_in(&tunnel, &alice);
    are_nowhere(&site, &[PASSWORD, ROOT, "planted-lender"]);
}

#[test]
fn an_account_that_was_revoked_is_replaced_and_one_that_was_lent_is_given_back_when_the_bastion_stops() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::start(folder.path());
    let mut site = site(&vault, "1h", "24h");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    let first = accounts(&site);
    assert_eq!(first.len(), 1, "{first:?}");
    vault.ok(&["lease", "revoke", "-prefix", "database/creds/orders"]);
    wait_until("the account is gone", || accounts(&site).is_empty());
    is_let_in(&tunnel, &alice);
    let second = accounts(&site);
    assert!(second.len() == 1 && second != first, "{second:?}");
    drop(tunnel);
    site.world.bastion.ask_to_end();
    assert_eq!(site.world.bastion.ended(), 0);
    assert!(accounts(&site).is_empty(), "{:?}", accounts(&site));
}

#[test]
fn an_account_at_the_end_of_its_longest_time_makes_place_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::start(folder.path());
    let site = site(&vault, "4s", "8s");
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    let mut seen = std::collections::BTreeSet::new();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while std::time::Instant::now() < end {
        let done = tunnel.ask(&alice, "SELECT current_user").ok();
        seen.insert(done.text());
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(seen.len() >= 2, "{seen:?}");
}

//! A statement that waits, as whoever decides sees it: what it does to which tables, and to how many rows.

use serde_json::Value;

use crate::harness::Run;
use crate::tui::Screen;

use super::Site;

#[test]
fn an_approver_reads_what_a_held_statement_does_and_lets_it_go_on_from_the_terminal_ui() {
    let site = Site::start();
    site.server.ask("ANALYZE");
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let tunnel = site.tunnel(&bob);
    let screen = Screen::tui(&alice);
    let command =
        tunnel.psql_command(&bob, &["-At", "-c", "DELETE FROM orders USING notes WHERE orders.id > 40", "-c", "DELETE FROM orders"]);
    let asking = std::thread::spawn(move || Run::new(command).within(120).finish());
    let shown = screen.sees("public.notes: read");
    assert!(shown.contains("deletes from public.orders") && shown.contains("public.orders: delete, read"), "{shown}");
    let listed = alice.ssh(["bastion", "approvals"]).ok().text();
    assert!(listed.contains("does: deletes from public.orders") && listed.contains("table public.notes: read"), "{listed}");
    let all = alice.ssh(["bastion", "approvals", "--json"]).ok().json();
    let outline = &all[0]["outline"];
    assert_eq!((&outline["kind"], &outline["in_transaction"]), (&"sql".into(), &false.into()), "{outline}");
    let statement = &outline["statements"][0];
    assert_eq!(statement["statement"], "delete", "{outline}");
    assert_eq!(statement["text"], "DELETE FROM orders USING notes WHERE orders.id > 40", "{outline}");
    assert!(statement["estimated_rows"].as_i64().is_some(), "{outline}");
    let id = all[0]["id"].as_str().unwrap().to_owned();
    let whole = site.world.bastion.run(["approvals", "show", &id]).ok().text();
    assert!(whole.contains("does: deletes from public.orders") && whole.contains("rows: about"), "{whole}");
    let json: Value = site.world.bastion.run(["approvals", "show", &id, "--json"]).ok().json();
    assert_eq!(json["outline"], *outline);
    site.world.bastion.run(["approvals", "show", "00000000000000000000000000"]).finish().refused();
    screen.decides("a");
    screen.sees("Approve app@orders");
    screen.decides("Enter");
    // The next one waits, and is about every row.
    screen.sees("1 new (n)");
    screen.decides("n");
    screen.terminal.press(&["G"]);
    screen.sees("no WHERE");
    let shown = screen.sees("about 100 rows");
    assert!(shown.contains("deletes from public.orders, all rows: no WHERE"), "{shown}");
    let waiting = alice.ssh(["bastion", "approvals", "--json"]).ok().json();
    alice.ssh(["bastion", "approve", waiting[0]["id"].as_str().unwrap()]).ok();
    let done = asking.join().unwrap();
    assert_eq!(site.server.ask("SELECT count(*) FROM orders"), "0", "{done}");
    assert!(done.err.contains("approved by corp/alice"), "{done}");
}

//! Publishers that keep to no rule: what they do is theirs alone to bear.

use super::{Publisher, Site};
use crate::harness::{Visitor, repository, wait_until};

/// A client that publishes `orders` and then does what its first argument says.
const HOSTILE: &str = r#"
import os, socket, sys, threading, time, paramiko
how, port = sys.argv[1], int(sys.argv[2])
key = paramiko.Ed25519Key.from_private_key_file("id")
key.load_certificate("id-cert.pub")
t = paramiko.Transport(socket.create_connection(("127.0.0.1", port)))
t.connect(username="bastion", pkey=key)
kept = []
def handler(channel, origin, server):
    kept.append(channel)
    def act():
        try:
            if how == "closes": channel.close()
            elif how == "garbage": channel.sendall(os.urandom(60000))
            elif how == "floods":
                while True: channel.sendall(b"S" * 30000)
            elif how == "ends": channel.shutdown_write()
        except Exception: pass
    threading.Thread(target=act, daemon=True).start()
if how == "many":
    given = set()
    try:
        for _ in range(1000): given.add(t.request_port_forward("orders", 0, handler))
    except Exception as error: print("REFUSED", type(error).__name__, flush=True)
    print("GIVEN", len(given), flush=True)
    try:
        for n in range(2000): t.request_port_forward("nothing", 0, handler)
    except Exception: pass
    for n in range(2000):
        try: t.request_port_forward("nothing", 0, handler)
        except paramiko.SSHException as error:
            if not t.is_active(): print("SHOWN OUT", flush=True); sys.exit(0)
        except EOFError: print("SHOWN OUT", flush=True); sys.exit(0)
    sys.exit(1)
print("Allocated port", t.request_port_forward("orders", 0, handler), flush=True)
if how == "never": t._handler_table[90] = lambda m: None
if how == "refuses": t._tcp_handler = None
if how == "unasked":
    for kind in ("forwarded-tcpip", "session", "auth-agent@openssh.com", "nonsense"):
        try: t.open_channel(kind, ("127.0.0.1", 1), ("127.0.0.1", 2), timeout=5); print("OPENED", kind, flush=True)
        except Exception as error: print("NO", kind, flush=True)
while t.is_active(): time.sleep(0.1)
"#;

fn hostile(site: &Site, bob: &Visitor, how: &str) -> Publisher {
    let mut command = bob.command(repository(".deps/venv/bin/python"), ["-c", HOSTILE, how]);
    command.arg(site.world.bastion.port.to_string());
    Publisher::by(bob, command)
}

#[test]
fn hostile_publishers_harm_nobody_beside_one_that_is_well() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let second = site.world.stranger("bob-2");
    second.log_in(&site.world.provider, "bob");
    let well = site.publish(&second);
    for how in ["closes", "ends", "garbage", "floods", "refuses", "silent", "never"] {
        let bad = hostile(&site, &bob, how);
        bad.is_there();
        let forward = site.forward(&alice);
        for _ in 0..3 {
            let done = forward.ask(&alice, "SELECT n FROM t").ok();
            assert_eq!(done.text().trim(), "7", "{how}");
        }
        drop(bad);
        wait_until("it has gone", || site.publishers() == 1);
    }
    // Alone, such a one leads to a refusal in words, not to a hang.
    drop(well);
    for how in ["closes", "garbage", "silent"] {
        let bad = hostile(&site, &bob, how);
        bad.is_there();
        let refused = site.ask(&alice, "SELECT n FROM t");
        assert!(!refused.status.success() && refused.err.contains("orders"), "{how}: {refused}");
        drop(bad);
        wait_until("it has gone", || site.publishers() == 0);
    }
    site.world.bastion.run(["audit", "verify"]).ok();
}

#[test]
fn a_connection_publishes_so_many_and_whoever_asks_on_and_on_is_shown_out() {
    let site = Site::start();
    let (alice, bob) = (site.world.visitor("alice"), site.world.visitor("bob"));
    let mut many = hostile(&site, &bob, "many");
    let said = many.ended();
    assert!(said.contains("GIVEN 16") && said.contains("SHOWN OUT"), "{said}");
    wait_until("all are withdrawn", || site.publishers() == 0);
    let _well = site.publish(&bob);
    assert_eq!(site.ask(&alice, "SELECT n FROM t").ok().text().trim(), "7");
    // What a client opens by itself is no way in, publisher or not.
    let unasked = hostile(&site, &bob, "unasked");
    wait_until("all were tried", || unasked.said().contains("nonsense"));
    assert!(!unasked.said().contains("OPENED forwarded-tcpip") && !unasked.said().contains("OPENED auth-agent"), "{}", unasked.said());
}

#[test]
fn a_target_has_so_many_publishers() {
    let site = Site::with("publishers = 2\npublished = 1", super::POLICIES);
    let bob = site.world.visitor("bob");
    let (_one, two) = (site.publish(&bob), site.publish(&bob));
    let to = format!("orders:0:127.0.0.1:{}", site.server.port);
    let said = Publisher::start(&bob, &to).ended();
    assert!(said.contains("2 others publish it"), "{said}");
    drop(two);
    wait_until("there is room", || site.publishers() == 1);
    // And a connection so many targets.
    let twice = Publisher::by(&bob, bob.openssh("ssh", ["-N", "-R", &to, "-R", "orders:0:127.0.0.1:9", "bastion"]));
    twice.is_there();
    wait_until("the second is refused", || twice.said().contains("remote port forwarding failed"));
    assert_eq!(site.publishers(), 2);
}

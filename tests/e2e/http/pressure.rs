//! Clients and servers that are slow or mean harm: they are held off, and nobody else is.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Guarded, Run, Visitor, fixture, full, wait_for_line, wait_until};

use super::{POLICIES, Site, ask, at, curl, unmasked};

fn frames(visitor: &Visitor, port: u16, what: &str, count: u32) -> Value {
    let mut python = visitor.command("python3", [fixture("http/frames.py")]);
    python.args([port.to_string(), what.to_owned(), count.to_string()]);
    Run::new(python).within(180).ok().json()
}

fn slow(visitor: &Visitor, port: u16, what: &str, more: &str) -> Guarded {
    let mut python = visitor.command("python3", [fixture("http/slow.py")]);
    python.args([&port.to_string(), what, more]);
    let log = visitor.dir.join(format!("slow-{what}.log"));
    let mut slow = Guarded::logged(python, &log);
    wait_for_line(&log, "READY", &mut slow);
    slow
}

/// KiB that the bastion may grow by.
const ROOM: u64 = 64 << 10;

#[test]
fn floods_of_http2_end_their_connection_and_no_other() {
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200");
    let before = site.world.bastion.memory();
    for (what, count) in
        [("reset", 20_000), ("continuation", 20_000), ("headers", 2_000), ("data", 100_000), ("settings", 50_000), ("pings", 50_000)]
    {
        let came = frames(&bob, port, what, count);
        match what {
            // Nothing is stored for these, and each is answered or costs nothing.
            "data" | "settings" | "pings" => {}
            // Only this request is refused, or the connection ends.
            "headers" => {
                let ended = !came["goaway"].is_null() || came["closed"] == true || came["resets"].as_u64() > Some(0);
                assert!(ended || came["answers"].as_u64() > Some(0), "{what}: {came}");
            }
            _ => assert!(!came["goaway"].is_null() || came["closed"] == true, "{what}: {came}"),
        }
        assert_eq!(ask(&bob, &["--http2-prior-knowledge", &at(port, "/echo")]).0, "200", "{what}: others go on");
        assert!(site.world.bastion.memory() < before + ROOM, "{what}: {before}, then {}", site.world.bastion.memory());
    }
    let asked = site.asked();
    let count = |word: &str| asked.iter().filter(|seen| seen["url"].as_str().unwrap().contains(word)).count();
    assert!(count("reset") < 1_000, "of 20,000 requests taken back at once {} reached the server", count("reset"));
    assert_eq!((count("continued"), count("headers")), (0, 0));
    // More streams at once than there may be are refused one by one.
    let came = frames(&bob, port, "streams", 300);
    assert!(came["resets"].as_u64() > Some(100) || !came["goaway"].is_null(), "{came}");
    assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200");
}

#[test]
fn heads_that_are_too_long_or_have_too_many_fields_are_refused() {
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    let many: Vec<String> = (0..300).map(|n| format!("X-{n}: y")).collect();
    let many: Vec<&str> = many.iter().flat_map(|field| ["-H", field.as_str()]).collect();
    let long = format!("X: {}", "a".repeat(90_000));
    for more in [&many[..], &["-H", &long]] {
        let (code, _) = ask(&bob, &[&["--http1.1"], more, &[&at(port, "/echo")]].concat());
        assert_eq!(code, "431");
        assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200");
    }
    assert_eq!(site.asked().len(), 2);
}

#[test]
fn places_with_long_names_are_masked_in_little_memory_and_refused_where_they_are_too_long() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    assert_eq!(ask(&bob, &[&at(port, "/customers")]).0, "200");
    let before = site.world.bastion.memory();
    let shown = curl(&bob, &[&at(port, "/customers?deep=1")]).ok().text();
    assert!(shown.contains("\"card\":\"****1399\"") && !shown.contains("41111111"), "{} bytes", shown.len());
    let cut = curl(&bob, &[&at(port, "/customers?deep=200")]);
    assert!(!cut.text().contains("card") && cut.code() != 0, "{} bytes", cut.text().len());
    assert!(site.world.bastion.memory() < before + ROOM, "{before}, then {}", site.world.bastion.memory());
    let recorded = site.recorded();
    assert!(recorded.contains("its names are too long together"), "the recording says why it was cut");
    let longest = recorded.lines().map(str::len).max();
    assert!(longest < Some(100 << 10), "a line has {longest:?} bytes");
}

#[test]
fn long_requests_are_decided_each_time_in_little_memory() {
    let site = Site::with(POLICIES);
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200");
    let before = site.world.bastion.memory();
    // One process of curl, and its own count of requests.
    let long = format!("/echo?n=[1-1500]&long={}", "a".repeat(16_000));
    let many = curl(&bob, &["-o", "/dev/null", "-w", "%{http_code}\\n", &at(port, &long)]).ok().text();
    assert_eq!(many.lines().filter(|code| *code == "200").count(), 1500, "{many}");
    assert!(site.world.bastion.memory() < before + (28 << 10), "{before}, then {}", site.world.bastion.memory());
}

#[test]
fn slow_clients_hold_up_nobody_and_take_no_memory() {
    let site = Site::with(unmasked());
    let bob = site.world.visitor("bob");
    let (port, _tunnel) = site.tunnel(&bob);
    assert_eq!(ask(&bob, &[&at(port, "/echo")]).0, "200");
    let before = site.world.bastion.memory();
    let mut heads = slow(&bob, port, "heads", "40");
    let mut writer = slow(&bob, port, "writer", "/echo");
    // It is to get a gigabyte and takes none of it: then the server is not asked for more than a little.
    let mut reader = slow(&bob, port, "reader", "/stream?mib=1024");
    let sent = || ask(&bob, &[&at(port, "/sent")]).1["sent"].as_u64().unwrap();
    let mut last = sent();
    wait_until("the server has stopped sending", || {
        std::thread::sleep(Duration::from_secs(2));
        let now = sent();
        std::mem::replace(&mut last, now) == now
    });
    assert!(last < 96 << 20, "the server has sent {last} bytes");
    assert!(heads.runs() && writer.runs() && reader.runs(), "they go on");
    assert_eq!(ask(&bob, &["--http2-prior-knowledge", &at(port, "/echo")]).0, "200");
    assert!(site.world.bastion.memory() < before + ROOM, "{before}, then {}", site.world.bastion.memory());
    assert!(site.asked().iter().all(|seen| !seen["url"].as_str().unwrap().contains("slow")), "a head that is not whole is nobody's");
    writer.kill();
    reader.kill();
    if full() {
        // A head has to be whole in a minute, whatever comes of it meanwhile.
        assert!(heads.wait(Duration::from_secs(240)).is_some(), "they are cut");
    }
}

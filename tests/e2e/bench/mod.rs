//! What `tests/bench/run` measures that belongs to no single gateway: SSH itself, what many sessions cost, and what a flood does.
//! Every test run takes a glance, which shows that it works. Nothing here asserts on time.

mod crowd;
mod soak;
mod ssh;
mod storms;
mod swarm;

/// Admins (alice) may everything.
const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);
@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);
"#;

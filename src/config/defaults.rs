//! Every default of the configuration, in one table. `man bartizan.toml` shows the same values; a test compares them.

use std::time::Duration;

use super::http::Http2;
use super::route::RouteKind;

/// `[server] listen`
pub const LISTEN: &str = "127.0.0.1:2222";
/// `[server] drain_timeout`: how long live sessions may go on after SIGTERM.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// `[store] url`
pub const STORE_URL: &str = "sqlite:state.db";
/// `[recordings] url`
pub const RECORDINGS_URL: &str = "file:recordings";
/// `[recordings] low_water`, in MiB of free space: below it no new session starts.
pub const LOW_WATER_MIB: u32 = 64;
/// `[recordings] encrypt_to_one`: whether a single recipient will do.
pub const ENCRYPT_TO_ONE: bool = false;
/// `[recordings] region`
pub const REGION: &str = "us-east-1";
/// `[recordings] allow_http`: whether the object store may be reached without TLS.
pub const ALLOW_HTTP: bool = false;
/// `[recordings] upload_every`
pub const UPLOAD_EVERY: Duration = Duration::from_secs(60);
/// `[policies] dir`
pub const POLICIES_DIR: &str = "policies";
/// `[[issuer]] audience`
pub const AUDIENCE: &str = "bartizan";
/// `[[issuer]] user_claim`, for people.
pub const USER_CLAIM: &str = "email";
/// `[[issuer]] user_claim`, for services.
pub const SERVICE_CLAIM: &str = "sub";
/// `[[issuer]] groups_claim`
pub const GROUPS_CLAIM: &str = "groups";
/// `[[issuer]] certificate_ttl`
pub const CERTIFICATE_TTL: Duration = Duration::from_secs(15 * 60);
/// The bounds of `certificate_ttl`.
pub const CERTIFICATE_TTL_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
/// How far an identity provider's clock may differ from ours.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// `[limits] login_grace`
pub const LOGIN_GRACE: Duration = Duration::from_secs(30);
/// `[limits] connections`
pub const CONNECTIONS: u32 = 10_000;
/// `[limits] half_open`: connections that have not authenticated yet, over all addresses.
pub const HALF_OPEN: u32 = 256;
/// `[limits] half_open_per_address`
pub const HALF_OPEN_PER_ADDRESS: u32 = 32;
/// `[limits] waiting_logins`: connections that wait for somebody to finish a device login.
pub const WAITING_LOGINS: u32 = 1_024;
/// `[limits] authentication_attempts`
pub const AUTHENTICATION_ATTEMPTS: u32 = 20;
/// `[limits] channels`: open channels of one connection.
pub const CHANNELS: u32 = 64;
/// `[limits] forwards`: streams to targets of one connection.
pub const FORWARDS: u32 = 256;
/// `[limits] requests`: channel requests before the program starts, per channel.
pub const REQUESTS: u32 = 256;
/// `[limits] sessions`: running sessions, over all connections.
pub const SESSIONS: u32 = 5_000;
/// `[limits] publishers`: of one target, by reverse tunnels.
pub const PUBLISHERS: u32 = 16;
/// `[limits] published`: targets that one connection publishes.
pub const PUBLISHED: u32 = 16;
/// `[[target]] route`
pub const ROUTE: RouteKind = RouteKind::Direct;
/// `[[target]] http2`, for `http`.
pub const HTTP2: Http2 = Http2::Auto;
/// `[[target]] identity_jwt`, for `http`: whether the server is told who the caller is in a signed token.
pub const IDENTITY_JWT: bool = false;
/// `[approvals] wait`: how long an operation waits for people to answer.
pub const APPROVAL_WAIT: Duration = Duration::from_secs(10 * 60);
/// `[approvals] waiting`: operations that wait at once, over all sessions.
pub const WAITING_APPROVALS: u32 = 1_000;
/// `[approvals] waiting_each`: the same of one principal.
pub const WAITING_APPROVALS_EACH: u32 = 50;
/// `[vault] timeout`
pub const VAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a secret from a program or the vault is used before it is fetched again.
pub const SECRET_KEEP: Duration = Duration::from_secs(60);
/// How long a program that prints a secret may take.
pub const EXEC_TIMEOUT: Duration = Duration::from_secs(10);
/// `[[audit_export]] facility`: authpriv.
pub const SYSLOG_FACILITY: u8 = 10;

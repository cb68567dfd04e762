//! The metrics' names, and their endpoint for Prometheus.

use std::net::SocketAddr;

use metrics::{counter, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};

use crate::depot::Tally;
use crate::model::{RailAction, TargetName};

/// Serves metrics at `listen`.
///
/// # Errors
/// When the address cannot be bound.
pub(super) fn serve(listen: SocketAddr) -> Result<(), BuildError> {
    PrometheusBuilder::new().with_http_listener(listen).install()?;
    metrics::describe_counter!("bartizan_connections_total", "Connections accepted, by whether there was room for them");
    metrics::describe_counter!("bartizan_logins_total", "Attempts to log in, by outcome");
    metrics::describe_counter!("bartizan_sessions_total", "Sessions asked for, by outcome");
    metrics::describe_gauge!("bartizan_sessions_live", "Sessions running now");
    metrics::describe_gauge!("bartizan_publishers", "Publishers of a target now, by target");
    metrics::describe_counter!("bartizan_publications_total", "Targets published, refused and withdrawn");
    metrics::describe_counter!("bartizan_published_streams_total", "Streams through publishers, by whether one was opened or led nowhere");
    metrics::describe_gauge!("bartizan_watchers", "Watchers of sessions now, each session of each counted");
    metrics::describe_counter!("bartizan_guarded_lines_total", "Lines entered in guarded shells, by verdict");
    metrics::describe_counter!("bartizan_bytes_total", "Bytes carried in sessions, by direction");
    metrics::describe_counter!("bartizan_guard_rails_total", "Guard rails triggered, by what they did");
    metrics::describe_counter!("bartizan_unrecorded_total", "Sessions that began or went on although they could not be recorded");
    metrics::describe_counter!("bartizan_recording_gaps_total", "Gaps in recordings, marked where they are");
    metrics::describe_counter!("bartizan_recording_failures_total", "Sessions that ended because they could not be recorded");
    metrics::describe_gauge!("bartizan_depot_waiting_bytes", "Recorded bytes that are final and not in the object store yet");
    metrics::describe_gauge!("bartizan_depot_waiting_recordings", "Sealed recordings that are not whole in the object store yet");
    metrics::describe_counter!("bartizan_depot_sent_bytes_total", "Bytes sent to the object store");
    metrics::describe_counter!("bartizan_depot_stored_total", "Recordings that are whole in the object store");
    metrics::describe_counter!("bartizan_depot_failures_total", "Steps to the object store that failed, by kind");
    metrics::describe_counter!("bartizan_sftp_operations_total", "Operations on files over SFTP, by action and verdict");
    metrics::describe_counter!("bartizan_sql_statements_total", "Statements of SQL, by verdict");
    metrics::describe_counter!("bartizan_http_requests_total", "Requests over HTTP, by verdict");
    metrics::describe_counter!("bartizan_log_leaves_total", "Leaves appended to the transparency log");
    metrics::describe_counter!("bartizan_log_failures_total", "Times the transparency log could not be written");
    metrics::describe_histogram!("bartizan_log_append_seconds", metrics::Unit::Seconds, "What appending to the transparency log took");
    metrics::describe_counter!("bartizan_notices_total", "Notices of holds that were sent or could not be, by whom they went to");
    metrics::describe_counter!("bartizan_witness_total", "Witnesses asked to cosign, by witness and outcome");
    metrics::describe_counter!("bartizan_secret_fetches_total", "Secrets that were fetched or could not be, by kind of place and outcome");
    metrics::describe_gauge!("bartizan_secret_age_seconds", metrics::Unit::Seconds, "How long ago a secret was fetched last");
    metrics::describe_counter!("bartizan_secret_stale_total", "Times an old secret was used, since it could not be fetched");
    metrics::describe_gauge!("bartizan_secret_leases", "What the vault has lent");
    metrics::describe_counter!("bartizan_secret_renewals_total", "Renewals of what the vault has lent, by outcome");
    metrics::describe_gauge!("bartizan_audit_export_lag_entries", "Audit entries that an export is behind");
    metrics::describe_gauge!("bartizan_audit_export_lag_seconds", metrics::Unit::Seconds, "Age of the first of these");
    metrics::describe_counter!("bartizan_audit_exported_total", "Audit entries that were taken, by export");
    metrics::describe_counter!("bartizan_audit_export_failures_total", "Tries of exports that failed");
    Ok(())
}

pub(super) fn connection(outcome: &'static str) {
    counter!("bartizan_connections_total", "outcome" => outcome).increment(1);
}

pub(super) fn login(outcome: &'static str) {
    counter!("bartizan_logins_total", "outcome" => outcome).increment(1);
}

pub(super) fn session(outcome: &'static str) {
    counter!("bartizan_sessions_total", "outcome" => outcome).increment(1);
}

pub(super) fn guard_rail(action: RailAction) {
    counter!("bartizan_guard_rails_total", "action" => action.word()).increment(1);
}

pub(super) fn live(count: usize) {
    gauge!("bartizan_sessions_live").set(u32::try_from(count).unwrap_or(u32::MAX));
}

pub(super) fn watcher(came: bool) {
    let watchers = gauge!("bartizan_watchers");
    if came { watchers.increment(1) } else { watchers.decrement(1) }
}

pub(super) fn publication(outcome: &'static str) {
    counter!("bartizan_publications_total", "outcome" => outcome).increment(1);
}

pub(super) fn publishers(target: &TargetName, count: usize) {
    gauge!("bartizan_publishers", "target" => target.to_string()).set(u32::try_from(count).unwrap_or(u32::MAX));
}

pub(super) fn bytes((up, down): (u64, u64)) {
    counter!("bartizan_bytes_total", "direction" => "up").increment(up);
    counter!("bartizan_bytes_total", "direction" => "down").increment(down);
}

/// What a round to the object store did, and what it left.
pub(super) fn depot(tally: &Tally) {
    gauge!("bartizan_depot_waiting_bytes").set(tally.waiting_bytes as f64);
    gauge!("bartizan_depot_waiting_recordings").set(u32::try_from(tally.waiting).unwrap_or(u32::MAX));
    counter!("bartizan_depot_sent_bytes_total").increment(tally.sent);
    counter!("bartizan_depot_stored_total").increment(tally.stored);
    for (_, error) in &tally.failed {
        let kind = if error.is_alarming() { "evidence" } else { "store" };
        counter!("bartizan_depot_failures_total", "kind" => kind).increment(1);
    }
}

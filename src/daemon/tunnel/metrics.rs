//! The metrics of a tunnel.

use jiff::Timestamp;
use metrics::{Gauge, counter, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::model::TargetName;

/// Collects them in this process.
pub(super) fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    metrics::describe_gauge!("bartizan_tunnel_connected", "Whether a bastion is connected that takes new streams");
    metrics::describe_gauge!("bartizan_tunnel_certificate_expires_seconds", "When the certificate runs out, in seconds since 1970");
    metrics::describe_counter!("bartizan_tunnel_connections_total", "Attempts to connect to a bastion, by outcome");
    metrics::describe_counter!("bartizan_tunnel_renewals_total", "Certificates renewed in place, or not, by outcome");
    metrics::describe_gauge!("bartizan_tunnel_streams_open", "Streams open now, by target");
    metrics::describe_counter!("bartizan_tunnel_streams_total", "Connections of programs, by target and outcome");
    metrics::describe_counter!("bartizan_tunnel_bytes_total", "Bytes carried in streams that ended, by target and direction");
    connected(false);
    Ok(handle)
}

pub(super) fn connected(is_up: bool) {
    gauge!("bartizan_tunnel_connected").set(if is_up { 1 } else { 0 });
}

pub(super) fn certificate(until: Timestamp) {
    gauge!("bartizan_tunnel_certificate_expires_seconds").set(until.as_second() as f64);
}

pub(super) fn connection(outcome: &'static str) {
    counter!("bartizan_tunnel_connections_total", "outcome" => outcome).increment(1);
}

pub(super) fn renewal(outcome: &'static str) {
    counter!("bartizan_tunnel_renewals_total", "outcome" => outcome).increment(1);
}

pub(super) fn stream(target: &TargetName, outcome: &'static str) {
    counter!("bartizan_tunnel_streams_total", "target" => target.to_string(), "outcome" => outcome).increment(1);
}

pub(super) fn bytes(target: &TargetName, up: u64, down: u64) {
    counter!("bartizan_tunnel_bytes_total", "target" => target.to_string(), "direction" => "up").increment(up);
    counter!("bartizan_tunnel_bytes_total", "target" => target.to_string(), "direction" => "down").increment(down);
}

/// One more stream, until this is dropped.
pub(super) struct Open(Gauge);

pub(super) fn open(target: &TargetName) -> Open {
    let open = gauge!("bartizan_tunnel_streams_open", "target" => target.to_string());
    open.increment(1);
    Open(open)
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

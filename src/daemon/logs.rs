//! The operator's log, on standard error: text on a terminal, JSON elsewhere; `BARTIZAN_LOG` sets what is shown.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts the log. Calling it twice changes nothing.
pub fn set_up_logs() {
    let filter = EnvFilter::try_from_env("BARTIZAN_LOG").unwrap_or_else(|_| EnvFilter::new("info,russh=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start, as in tests within one process, keeps the first log.
    let _ = if std::io::stderr().is_terminal() {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        builder.with_ansi(colour).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}

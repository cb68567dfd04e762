//! `bartizan completions` and `bartizan man`: made from the same table as the command line itself.

use std::process::ExitCode;

use clap::CommandFactory;

use super::print::out;
use super::{Exit, Line};

/// Options of `bartizan completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell to write for
    shell: clap_complete::Shell,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Line::command(), "bartizan", &mut script);
    out(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// `bartizan(1)` in roff, every subcommand in one page.
pub(super) fn man() -> Result<ExitCode, Exit> {
    out(&page()?)?;
    Ok(ExitCode::SUCCESS)
}

fn page() -> Result<String, Exit> {
    let incomplete = |e: std::io::Error| Exit::incomplete(format!("the manual cannot be made: {e}"));
    let mut command = Line::command();
    command.build();
    let mut text = Vec::new();
    let main = clap_mangen::Man::new(command.clone()).section("1").date("").source("Bartizan");
    main.render(&mut text).map_err(incomplete)?;
    for sub in command.get_subcommands() {
        render(sub, &mut text).map_err(incomplete)?;
    }
    text.extend_from_slice(TUNNEL_METRICS.as_bytes());
    text.extend_from_slice(EXIT_STATUS.as_bytes());
    String::from_utf8(text).map_err(|e| Exit::incomplete(e.to_string()))
}

/// One subcommand as sections of the page, and those below it.
fn render(command: &clap::Command, text: &mut Vec<u8>) -> std::io::Result<()> {
    if command.get_name() == "help" || command.is_hide_set() {
        return Ok(());
    }
    let title = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    text.extend_from_slice(format!(".SH \"{title}\"\n").as_bytes());
    let man = clap_mangen::Man::new(command.clone().disable_help_flag(true).disable_version_flag(true));
    if let Some(about) = command.get_about() {
        text.extend_from_slice(format!("{about}\n.PP\n").as_bytes());
    }
    let mut options = Vec::new();
    man.render_synopsis_section(&mut options)?;
    if command.get_arguments().any(|a| !a.is_hide_set() && !a.is_global_set()) {
        man.render_options_section(&mut options)?;
    }
    let options = String::from_utf8_lossy(&options).replace(".SH SYNOPSIS\n", "").replace(".SH OPTIONS\n", ".PP\n");
    text.extend_from_slice(options.as_bytes());
    if let Some(examples) = command.get_after_help() {
        text.extend_from_slice(verbatim(&examples.to_string()).as_bytes());
    }
    for sub in command.get_subcommands() {
        render(sub, text)?;
    }
    Ok(())
}

/// Lines as they are, in roff.
fn verbatim(lines: &str) -> String {
    let mut text = ".PP\n.nf\n".to_owned();
    for line in lines.lines() {
        // At the beginning of a line a dot or a quote would be a request (groff(7)).
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
        text.push_str(&format!("{guard}{line}\n"));
    }
    text + ".fi\n"
}

const TUNNEL_METRICS: &str = r#".SH "METRICS OF A TUNNEL"
What \fBbartizan tunnel\fR says at /metrics of \fB\-\-health\fR, for Prometheus:
.IP "bartizan_tunnel_connected" 4
1 while a bastion is connected that takes new streams, else 0.
.IP "bartizan_tunnel_certificate_expires_seconds" 4
When the certificate runs out, in seconds since 1970.
.IP "bartizan_tunnel_connections_total{outcome}" 4
Attempts to connect to a bastion: connected, refused, failed.
.IP "bartizan_tunnel_renewals_total{outcome}" 4
Certificates renewed on the connection that there was (in\-place), and those for which a new connection was made (refused).
.IP "bartizan_tunnel_streams_open{target}" 4
Streams open now.
.IP "bartizan_tunnel_streams_total{target,outcome}" 4
Connections of programs (opened, refused, no\-bastion) and those handed over for what is published (published, no\-server).
.IP "bartizan_tunnel_bytes_total{target,direction}" 4
Bytes carried in streams that have ended, to the bastion (up) and from it (down).
"#;

const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
0
done
.TP
1
refused by policy, not found, or tampered with; for \fBpolicy\fR: mistakes, cases that do not hold, or differences
.TP
2
a mistake in the command line, the configuration or the policies; for \fBpolicy\fR: in the command line only
.TP
3
could not be completed or verified; for \fBpolicy\fR also where the configuration or policies have mistakes that keep it from an answer
.TP
4
held: a human has to approve first
.SH "WHO DECIDES"
.TP
The bastion that runs, by policy
\fBapprovals\fR, \fBsessions\fR, \fBlock\fR, \fBunlock\fR, \fBlocks\fR, \fBca revoke\fR, \fBca rotate\fR, \fBrecordings hold\fR, \fBrelease\fR and
\fBdelete\fR, and whatever is done with \fB\-\-bastion\fR. On its own machine it is asked as local/ACCOUNT, in the group local/operators. Where none
runs there, they say so and use its files.
.TP
Whoever may read or write the files
all else: \fBrecordings list\fR, \fBsearch\fR, \fBplay\fR, \fBcat\fR, \fBexport\fR and \fBverify\fR, \fBaudit\fR, \fBca show\fR, \fBtargets\fR, \fBpolicy\fR. Policy is
not asked. The use of a recording is in the audit log as that of local:ACCOUNT, before it is shown.
.SH "FILES"
.TP
/etc/bartizan/bartizan.toml
the configuration, see \fBbartizan.toml\fR(5); another with \fB\-\-config\fR or \fBBARTIZAN_CONFIG\fR
.SH "ENVIRONMENT"
.TP
BARTIZAN_CONFIG
the configuration file
.TP
BARTIZAN_IDENTITY
the file of the private key with which \fBrecordings play\fR, \fBcat\fR and \fBexport\fR read what is encrypted
.TP
BARTIZAN_LOG
what \fBserve\fR logs, as in \fBdebug\fR or \fBinfo,bartizan=debug\fR
.TP
NO_COLOR
no colours
.SH "SEE ALSO"
\fBbartizan.toml\fR(5), \fBbartizan\-policy\fR(7), \fBbartizan\-recording\fR(5), \fBssh\fR(1)
"#;

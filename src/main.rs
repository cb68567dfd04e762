//! The `bartizan` binary: hands over to `bartizan::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bartizan::cli::run()
}

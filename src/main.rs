//! Arguments in, exit status out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cachectl::run(std::env::args_os()) as u8)
}

//! `key`: the stored key for a key. Needs no backend.

use std::ffi::OsString;

use anyhow::Result;

use super::{Global, arguments, target};
use crate::exit::Exit;
use crate::render::{Printer, Record};

/// Print the stored key for a key
///
/// What the layout makes of each key, one a line, as the backend has it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keys, taken literally
    #[arg(required = true, value_name = "KEY", value_parser = arguments::key())]
    keys: Vec<OsString>,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let layout = target::layout(global)?;
    for key in arguments::keys(&args.keys, global.escaped)? {
        let stored = layout.stored_key(&key);
        if records {
            printer.record(&Record::new().with_bytes("key", &key).with_bytes("stored_key", &stored.key))?;
        } else {
            printer.key(&stored.key, b'\n')?;
        }
    }
    Ok(Exit::Yes)
}

//! `encode`: a value to bytes. Needs no backend.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Typed};
use super::{Global, target};
use crate::cache::DEFAULT_SERIALIZER;
use crate::codec::Codec;
use crate::exit::{Exit, Stop};
use crate::render::Printer;

/// Encode a value, without a backend
///
/// Takes a value as `set` does, encodes it by -s (json:// unless given) and writes the exact bytes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Value; - for stdin, @FILE for a file
    #[arg(value_name = "VALUE", default_value = "-", allow_negative_numbers = true, value_parser = arguments::key())]
    value: OsString,
    #[command(flatten)]
    typed: Typed,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let codec = match target::codec(global)? {
        Some(codec) => codec,
        None => Codec::parse(DEFAULT_SERIALIZER)?,
    };
    let text = codec.layers() == ["json"] || codec.layers() == ["string"];
    if printer.is_terminal() && !text {
        return Err(Stop::usage("encoded bytes would be obeyed by a terminal: redirect stdout").into());
    }
    let limits = global.limits();
    let value = args.typed.value(&args.value, &limits)?;
    let bytes = codec.encode(&value, &limits).context("cannot encode")?;
    printer.raw(&bytes)?;
    if printer.is_terminal() {
        printer.line("")?;
    }
    Ok(Exit::Yes)
}

//! What a command says of a value that names what should not be called.

use anyhow::Result;

use super::Global;
use crate::exit::Stop;
use crate::render::{Printer, Record, escape};
use crate::value::danger::{Danger, Names};

/// A hostile value may name a million: these are said, the others counted.
const SAID: usize = 8;

/// Warns of every dangerous name.
///
/// # Errors
/// With `--strict`, where there is one: the value is then not to be taken.
pub fn check(names: &Names, global: &Global, printer: &mut Printer) -> Result<()> {
    for Danger { name, called } in names.dangers.iter().take(SAID) {
        let done =
            if *called { "would have been called by an application that loads this" } else { "is named in this" };
        printer.warn(&format!("`{}` {done}; cachectl has not run it", escape::line(name.as_bytes())));
    }
    if names.dangers.len() > SAID {
        printer.warn(&format!("and {} more dangerous names", names.dangers.len() - SAID));
    }
    if global.strict && !names.dangers.is_empty() {
        return Err(Stop::data("the value names what is dangerous to call, and --strict refuses that").into());
    }
    Ok(())
}

/// The record with the dangerous names, where there are any.
pub fn list(record: Record, names: &Names) -> Record {
    if names.dangers.is_empty() { record } else { record.with("dangerous", self::names(names)) }
}

/// The dangerous names.
pub fn names(names: &Names) -> Vec<String> {
    names.dangers.iter().map(|danger| danger.name.clone()).collect()
}

//! Guards: what a profile that is read-only or protected keeps a command from, before anything is connected.

use anyhow::Result;

use super::Global;
use crate::exit::Stop;
use crate::render::Printer;
use crate::secret::redact;

/// What a command does to the entries that others use.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'a> {
    /// Nothing.
    Reads,
    /// It changes one entry, which was named.
    Writes,
    /// It deletes, or changes many: what goes wrong cannot be undone. Whether somebody said yes.
    Destroys(&'a Yes),
}

/// Consent on the command line.
#[derive(Debug, Default, clap::Args)]
pub struct Yes {
    /// Do not ask; a protected profile wants its name: --yes=NAME
    #[arg(long, short, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    yes: Option<String>,
}

impl Yes {
    /// Whether it was said.
    pub fn is_said(&self) -> bool {
        self.yes.is_some()
    }
}

/// Lets a command through, or not.
///
/// # Errors
/// A refusal.
pub fn check(command: &str, effect: Effect<'_>, global: &Global, printer: &mut Printer) -> Result<()> {
    let profile = &global.profile;
    let Some(choice) = &profile.choice else { return Ok(()) };
    if matches!(effect, Effect::Reads) {
        return Ok(());
    }
    let guard = |name| profile.setting(name).filter(|_| profile.is_on(name));
    if let Some(guard) = guard("read_only") {
        let why = format!("profile `{}` is read-only ({})", choice.name, guard.origin);
        return Err(Stop::refused(format!("{why}, and `{command}` writes: nothing was sent")).into());
    }
    let (Effect::Destroys(yes), Some(guard)) = (effect, guard("protected")) else { return Ok(()) };
    let place = redact(global.backend_url());
    let why = format!("profile `{}` is protected ({})", choice.name, guard.origin);
    match &yes.yes {
        Some(name) if *name == choice.name => return Ok(()),
        Some(name) if !name.is_empty() => {
            let told = format!("{why}, and --yes={name} names another: nothing was sent to {place}");
            return Err(Stop::refused(told).into());
        }
        _ => {}
    }
    let question =
        format!("{why}; `{command}` deletes or changes what is on {place}\ntype the profile's name to go on: ");
    match printer.ask(&question) {
        Some(answer) if answer == choice.name => Ok(()),
        Some(_) => Err(Stop::refused("that is not its name: nothing was sent").into()),
        None => {
            let todo = format!("nobody can be asked for its name here: --yes={} goes on without", choice.name);
            Err(Stop::refused(format!("{why}, and `{command}` deletes or changes: {todo}")).into())
        }
    }
}

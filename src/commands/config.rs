//! `config`: what holds and who said it; whether the files of profiles are right.

use std::path::Path;

use anyhow::Result;
use clap::Subcommand;

use super::{Flags, Global, login, target};
use crate::config::{Choice, Files, KEYS, Key, Origin, Profile, Setting, Takes};
use crate::exit::{Exit, Stop};
use crate::limits::{LIMITS, Limits};
use crate::render::{self, Printer, Record, escape};

/// Show what holds and who said it; check the files of profiles
///
/// A file is TOML, a table [profile.NAME] for each profile, and `default = "NAME"` for the one that is used
/// when nobody chooses: config.toml in ~/.config/cachectl (or $XDG_CONFIG_HOME/cachectl), and .cachectl.toml
/// in the working directory or the nearest one above it. Value by value a flag goes before the environment,
/// that before the project's file and that before the user's.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show each value and who said it: flag, variable, file and line, or nobody
    ///
    /// Passwords are not shown. -o json is an object a line: name, value (null: nothing), origin (flag, variable,
    /// file or default), and by (the flag or the variable), or path and line.
    Show,
    /// Read all files and profiles and say what is wrong with them
    ///
    /// Nothing is connected, and no password is asked for. The status is 2 when something is wrong.
    Check,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    match args.command {
        Command::Show => show(global, printer),
        Command::Check => check(printer),
    }
}

/// A value as it holds.
struct Shown<'a> {
    name: String,
    value: Option<String>,
    origin: Option<&'a Origin>,
}

fn show(global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let choice = global.profile.choice.as_ref();
    let chosen = Shown {
        name: "profile".to_owned(),
        value: choice.map(|choice| choice.name.clone()),
        origin: choice.map(|choice| &choice.origin),
    };
    let rows = KEYS.iter().flat_map(|key| all_of(key, &global.profile));
    let mut table = Vec::new();
    for shown in std::iter::once(chosen).chain(rows) {
        if records {
            printer.record(&shown.record())?;
        } else {
            table.push(shown.row());
        }
    }
    if !records {
        printer.table(&["name", "value", "from"], &table)?;
    }
    Ok(Exit::Yes)
}

/// What holds of a key: of limits each.
fn all_of<'a>(key: &Key, profile: &'a Profile) -> Vec<Shown<'a>> {
    let one = |name: String, default: Option<String>| {
        let setting = profile.setting(&name);
        let value = setting.map(|setting| setting.value.to_string()).or(default);
        Shown { name, value, origin: setting.map(|setting| &setting.origin) }
    };
    match key.takes {
        Takes::Limits => {
            let mut defaults = Limits::DEFAULT;
            let mut limit = |limit: &crate::limits::Limit| (limit.name, *(limit.field)(&mut defaults));
            let limits: Vec<(&str, u64)> = LIMITS.iter().map(&mut limit).collect();
            limits.into_iter().map(|(name, most)| one(format!("{}.{name}", key.name), Some(most.to_string()))).collect()
        }
        _ => vec![one(key.name.to_owned(), Some(key.default.to_owned()).filter(|default| !default.is_empty()))],
    }
}

impl Shown<'_> {
    fn row(self) -> Vec<String> {
        let from = self.origin.map_or_else(|| "default".to_owned(), ToString::to_string);
        vec![self.name, self.value.unwrap_or_else(|| "-".to_owned()), from]
    }

    fn record(self) -> Record {
        let record = Record::new().with("name", self.name).with("value", self.value);
        match self.origin {
            None => record.with("origin", "default"),
            Some(Origin::Flag(flag)) => record.with("origin", "flag").with("by", *flag),
            Some(Origin::Variable(variable)) => record.with("origin", "variable").with("by", *variable),
            Some(Origin::File(path, _, line)) => {
                record.with("origin", "file").with("path", path.display().to_string()).with("line", *line)
            }
        }
    }
}

/// That the files can be read has been found out before: no command goes on without.
fn check(printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let files = Files::read().map_err(|faults| Stop::usage(faults.to_string()))?;
    let faults = files.names().into_iter().filter_map(|name| profile(name, &files).err());
    let faults: Vec<String> = faults.map(|fault| format!("{fault:#}")).collect();
    if !faults.is_empty() {
        return Err(Stop::usage(faults.join("\n")).into());
    }
    let mut none = true;
    for (path, names) in files.all() {
        none = false;
        if records {
            printer.record(&Record::new().with("path", path.display().to_string()).with("profiles", names))?;
        } else {
            let count = render::count(names.len() as u64, "profile", "profiles");
            printer.line(&escape::message(&format!("{}: {count}: {}", path.display(), names.join(", "))))?;
        }
    }
    if none {
        printer.note(&format!("there are no profiles: none is in {}", files.places()));
    }
    Ok(Exit::Yes)
}

/// Reads what a profile says as a command would that uses it.
fn profile(name: &str, files: &Files) -> Result<()> {
    let choice = Choice { name: name.to_owned(), origin: Origin::Flag("--config") };
    let profile = Profile::of(Vec::new(), Vec::new(), Some(choice), files);
    let global = Global::new(&Flags::default(), profile.map_err(|faults| Stop::usage(faults.to_string()))?)?;
    target::check(&global)?;
    let named = ["password_file", "tls_ca", "tls_cert", "tls_key"];
    for Setting { name, origin, .. } in named.iter().filter_map(|name| global.profile.setting(name)) {
        let path = global.profile.path(name).expect("each of these is a path");
        let checked = if name == "password_file" { login::check_file(path).map(drop) } else { there(path) };
        checked.map_err(|error| Stop::usage(format!("{origin}: `{name}`: {error:#}")))?;
    }
    super::global::time(&global.profile, "password_timeout").map(drop)
}

fn there(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(Stop::usage(format!("{} is no file", path.display())).into()),
        Err(error) => Err(Stop::usage(format!("cannot find {}: {error}", path.display())).into()),
    }
}

//! Profiles: what is said of a backend under one name, and who of flag, variable and file has the last word.
//!
//! Value by value a flag goes before the environment, that before the project's file and that before the
//! user's. What a value means (a URL, a time) is for who uses it; here it is text that says where it comes
//! from. A project's file may come with a stranger's checkout: it may choose a server of its own and how its
//! entries are read, and nothing that would hand a secret to that server, run a program or take a guard away.

mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::file::{Files, open};
use crate::secret::{Secret, redact};
use crate::url::UrlError;

/// One thing that can be said.
pub struct Key {
    /// As files spell it.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// The flag that says it.
    pub flag: Option<&'static str>,
    /// The variable that says it.
    pub variable: Option<&'static str>,
    /// What holds when nobody says it.
    pub default: &'static str,
    /// Keys of one group are said together: who says one of them says what the others are, too.
    pub group: Option<&'static str>,
    /// Why a project's file may not say it, where it may not.
    pub not_by_project: Option<&'static str>,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Text; of a file a number will do as well.
    Text,
    /// The name of a file.
    Path,
    /// true or false.
    Switch,
    /// A program and its arguments.
    Words,
    /// A table of names and numbers.
    Limits,
    /// What no file may hold.
    Secret,
}

impl Key {
    const fn new(name: &'static str, takes: Takes) -> Key {
        Key { name, takes, flag: None, variable: None, default: "", group: None, not_by_project: None }
    }

    const fn flag(self, flag: &'static str) -> Key {
        Key { flag: Some(flag), ..self }
    }

    const fn variable(self, variable: &'static str) -> Key {
        Key { variable: Some(variable), ..self }
    }

    const fn default(self, default: &'static str) -> Key {
        Key { default, ..self }
    }

    const fn group(self, group: &'static str) -> Key {
        Key { group: Some(group), ..self }
    }

    const fn not_by_project(self, why: &'static str) -> Key {
        Key { not_by_project: Some(why), ..self }
    }

    /// Whether it belongs to the backend that the same profile names, and to no other.
    fn is_for_backend(&self) -> bool {
        self.name.starts_with("tls_") || self.group == Some(PASSWORD) || self.name == "password_timeout"
    }
}

const PASSWORD: &str = "password";
const CLIENT: &str = "client";
const FOREIGN_COMMAND: &str = "a program that a checkout names would run here";
const FOREIGN_SECRET: &str = "a file that a checkout names would be sent to the server that it names";

/// The table of all that can be said.
pub const KEYS: &[Key] = &[
    Key::new("backend", Takes::Text).flag("--backend").variable("CACHECTL_BACKEND").default("disk:"),
    Key::new("serializer", Takes::Text).flag("--serializer").variable("CACHECTL_SERIALIZER"),
    Key::new("layout", Takes::Text).flag("--layout").variable("CACHECTL_LAYOUT").default("plain:"),
    Key::new("namespace", Takes::Text).flag("--namespace").variable("CACHECTL_NAMESPACE"),
    Key::new("read_only", Takes::Switch).default("false"),
    Key::new("protected", Takes::Switch).default("false"),
    Key::new("replica", Takes::Switch).flag("--replica").default("false"),
    Key::new("timeout", Takes::Text).flag("--timeout").default("5s"),
    Key::new("limits", Takes::Limits).flag("--max"),
    Key::new("password", Takes::Secret).variable("CACHECTL_PASSWORD").group(PASSWORD),
    Key::new("password_file", Takes::Path).flag("--password-file").group(PASSWORD).not_by_project(FOREIGN_SECRET),
    Key::new("password_command", Takes::Words).group(PASSWORD).not_by_project(FOREIGN_COMMAND),
    Key::new("ask_password", Takes::Switch)
        .flag("--ask-password")
        .group(PASSWORD)
        .not_by_project("you would be asked for a password by a server that a checkout names"),
    Key::new("password_timeout", Takes::Text)
        .default("30s")
        .not_by_project("it is for password_command, which is yours to name"),
    Key::new("tls_ca", Takes::Path).flag("--tls-ca"),
    Key::new("tls_cert", Takes::Path).flag("--tls-cert").group(CLIENT),
    Key::new("tls_key", Takes::Path).flag("--tls-key").group(CLIENT),
    Key::new("tls_insecure", Takes::Switch)
        .flag("--tls-insecure")
        .default("false")
        .not_by_project("a checkout does not switch off the checks that protect you from it"),
];

/// The row of `name`; of `limits.depth` that of `limits`.
#[must_use]
pub fn key(name: &str) -> &'static Key {
    let head = name.split('.').next().unwrap_or(name);
    KEYS.iter().find(|key| key.name == head).expect("settings are made of rows of the table")
}

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag(&'static str),
    /// In the environment.
    Variable(&'static str),
    /// In a file, in this line.
    File(Arc<Path>, Whose, usize),
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// It was found from the working directory upwards.
    Project,
    /// It is in the user's directory of configuration.
    User,
}

impl Origin {
    /// Whether a project's file says it.
    #[must_use]
    pub fn is_project(&self) -> bool {
        matches!(self, Origin::File(_, Whose::Project, _))
    }

    /// Whether the user's own file says it.
    #[must_use]
    pub fn is_user(&self) -> bool {
        matches!(self, Origin::File(_, Whose::User, _))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) | Origin::Variable(name) => f.write_str(name),
            Origin::File(path, _, line) => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A file.
    Path(PathBuf),
    /// true or false.
    Switch(bool),
    /// A program and its arguments.
    Words(Vec<String>),
    /// A password.
    Secret(Secret),
}

/// Without secrets.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(&redact(text)),
            Value::Path(path) => write!(f, "{}", path.display()),
            Value::Switch(on) => write!(f, "{on}"),
            // What follows may be the secret itself.
            Value::Words(words) => match &words[..] {
                [program] => f.write_str(program),
                words => write!(f, "{} …", words.first().map_or("", String::as_str)),
            },
            Value::Secret(_) => f.write_str("***"),
        }
    }
}

/// Something said, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// A key's name; `limits.NAME` for each limit.
    pub name: String,
    /// What.
    pub value: Value,
    /// Where.
    pub origin: Origin,
}

/// What is wrong with what was said, a line for each fault: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl Faults {
    fn one(origin: &Origin, what: impl fmt::Display) -> Faults {
        Faults(vec![format!("{origin}: {what}")])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// A name of a profile, and who chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The name.
    pub name: String,
    /// Who chose it.
    pub origin: Origin,
}

/// All that holds, each value from who has the last word on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The profile's name; `None` where none was chosen.
    pub choice: Option<Choice>,
    settings: Vec<Setting>,
}

impl Profile {
    /// What holds of what the flags and the environment say, and of the profile `chosen` by one of them, or
    /// else the one that is the default of the files.
    ///
    /// # Errors
    /// When there is no such profile, or a project's file goes too far.
    pub fn of(
        flags: Vec<Setting>,
        environment: Vec<Setting>,
        chosen: Option<Choice>,
        files: &Files,
    ) -> Result<Profile, Faults> {
        let mut profile = Profile::default();
        profile.take(flags);
        profile.take(environment);
        profile.choice = chosen.or_else(|| files.chosen().cloned());
        let Some(choice) = &profile.choice else { return Ok(profile) };
        let layers = files.profile(&choice.name);
        if layers.is_empty() {
            return Err(files.unknown(choice));
        }
        let elsewhere = profile.setting("backend").is_some();
        for mut layer in layers {
            // A password is for the server beside which it stands, not for another that -b names.
            if elsewhere && layer.iter().any(|setting| setting.name == "backend") {
                layer.retain(|setting| !key(&setting.name).is_for_backend());
            }
            profile.holds_guards(&layer)?;
            profile.take(layer);
        }
        profile.keeps_apart()?;
        Ok(profile)
    }

    /// Adds what somebody says who has less to say than those before.
    fn take(&mut self, layer: Vec<Setting>) {
        let before = self.settings.len();
        for setting in layer {
            let group = key(&setting.name).group;
            let said = |one: &Setting| one.name == setting.name || group.is_some() && key(&one.name).group == group;
            if !self.settings[..before].iter().any(said) && !self.settings.iter().any(|one| one.name == setting.name) {
                self.settings.push(setting);
            }
        }
    }

    /// A project's file may add a guard to the user's profile, and not take one away.
    fn holds_guards(&self, layer: &[Setting]) -> Result<(), Faults> {
        for guard in layer.iter().filter(|guard| ["read_only", "protected"].contains(&guard.name.as_str())) {
            let lifted = self.setting(&guard.name).filter(|over| over.value != guard.value);
            if let (Some(over), Value::Switch(true)) = (lifted, &guard.value) {
                let why = format!("a project's file does not take `{}` away, which {} sets", guard.name, guard.origin);
                return Err(Faults::one(&over.origin, why));
            }
        }
        Ok(())
    }

    /// What a project's file says of trust is for its own server, and the user's secrets are not.
    fn keeps_apart(&self) -> Result<(), Faults> {
        let backend = self.setting("backend").map(|backend| &backend.origin);
        let project = backend.is_some_and(Origin::is_project);
        for setting in self.settings.iter().filter(|setting| key(&setting.name).is_for_backend()) {
            let Setting { name, origin, .. } = setting;
            if origin.is_project() && !project {
                let why = format!("`{name}` in a project's file is for the backend that the same file names");
                let named = backend.map_or("nobody".to_owned(), ToString::to_string);
                return Err(Faults::one(origin, format!("{why}, and here {named} names it")));
            }
            if let (true, true, Some(backend)) = (origin.is_user(), project, backend) {
                let why = format!("`{name}` is yours, and the backend is a project's choice ({backend})");
                let todo = "it is not sent where a checkout says: name the backend in your own file, or with -b";
                return Err(Faults::one(origin, format!("{why}: {todo}")));
            }
        }
        Ok(())
    }

    /// What was said of `name`, if anybody did.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// The text of `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.setting(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The file of `name`.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<&Path> {
        match &self.setting(name)?.value {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Whether `name` is switched on.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.setting(name).is_some_and(|setting| setting.value == Value::Switch(true))
    }

    /// In which file `name` is said, for an error about it; nothing where it was typed.
    #[must_use]
    pub fn whence(&self, name: &str) -> String {
        match self.setting(name).map(|setting| &setting.origin) {
            Some(origin @ Origin::File(..)) => format!(" of {origin}"),
            _ => String::new(),
        }
    }

    /// What was said of limits, each as `NAME=N`.
    pub fn limits(&self) -> impl Iterator<Item = (String, &Origin)> {
        self.settings.iter().filter_map(|Setting { name, value, origin }| {
            Some((format!("{}={value}", name.strip_prefix("limits.")?), origin))
        })
    }

    /// All that was said.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

/// What the environment says, and the profile that it chooses. What is empty is not said.
///
/// # Errors
/// When a variable is not text.
pub fn environment() -> Result<(Vec<Setting>, Option<Choice>), Faults> {
    let read = |variable: &'static str| {
        let wrong = |_| Faults(vec![format!("{variable} in the environment is not UTF-8")]);
        let text = std::env::var_os(variable).filter(|text| !text.is_empty());
        text.map(std::ffi::OsString::into_string).transpose().map_err(wrong)
    };
    let mut settings = Vec::new();
    for key in KEYS {
        let Some(variable) = key.variable else { continue };
        if let Some(text) = read(variable)? {
            let value = if key.takes == Takes::Secret { Value::Secret(Secret::new(text)) } else { Value::Text(text) };
            settings.push(Setting { name: key.name.to_owned(), value, origin: Origin::Variable(variable) });
        }
    }
    let choice = read(PROFILE)?.map(|name| Choice { name, origin: Origin::Variable(PROFILE) });
    Ok((settings, choice))
}

/// The variable that chooses a profile.
pub const PROFILE: &str = "CACHECTL_CONFIG";

/// `name` is none of `names`.
fn unknown(what: &str, name: &str, names: &[&str]) -> UrlError {
    UrlError::unknown(what, name, names)
}

//! The files: where they are, and what is in them.
//!
//! A slip in one must not be taken for silence, since it may be a guard that is missing then: whatever is
//! not understood is a fault with its line, in whatever profile it stands.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Choice, Faults, KEYS, Key, Origin, Setting, Takes, Value, Whose, unknown};
use crate::limits::Limits;
use crate::secret::{holds_login, holds_password, too_open};
use crate::url::Url;

/// A project's file.
const PROJECT: &str = ".cachectl.toml";

/// Bytes of a file.
const BYTES_MOST: u64 = 1 << 20;

/// How parameters of backend URLs end that name files.
const FILES: &[&str] = &["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"];

/// What the files say, the project's before the user's.
#[derive(Debug, Default)]
pub struct Files {
    files: Vec<Said>,
    /// Where one was looked for.
    places: Vec<String>,
}

/// What one file says.
#[derive(Debug)]
struct Said {
    path: Arc<Path>,
    default: Option<Choice>,
    profiles: Vec<(String, Vec<Setting>)>,
}

impl Files {
    /// Reads the files that there are: one `open` for the user's, and one for each directory from the working
    /// directory upwards until there is a project's.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn read() -> Result<Files, Faults> {
        let mut found = Files::default();
        let mut faults = Vec::new();
        let mut take = |path: &Path, whose| match read(path, whose) {
            Ok(said) => {
                found.files.extend(said);
                found.files.last().is_some_and(|said| &*said.path == path)
            }
            Err(error) => {
                faults.extend(error.0);
                true
            }
        };
        // A directory that is gone has no project.
        if let Ok(directory) = std::env::current_dir() {
            let _ = directory.ancestors().any(|directory| take(&directory.join(PROJECT), Whose::Project));
        }
        found.places.push(format!("{PROJECT} here or above"));
        if let Ok(strategy) = etcetera::choose_base_strategy() {
            let path = strategy.config_dir().join("cachectl").join("config.toml");
            take(&path, Whose::User);
            found.places.push(path.display().to_string());
        }
        if faults.is_empty() { Ok(found) } else { Err(Faults(faults)) }
    }

    /// The files that there are, each with the names of its profiles.
    pub fn all(&self) -> impl Iterator<Item = (&Path, Vec<&str>)> {
        self.files.iter().map(|file| (&*file.path, file.profiles.iter().map(|(name, _)| name.as_str()).collect()))
    }

    /// Where one is looked for.
    #[must_use]
    pub fn places(&self) -> String {
        self.places.join(" nor in ")
    }

    /// The names of all profiles, each once.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.all().flat_map(|(_, names)| names).collect()
    }

    /// The profile that is used when nobody chooses one.
    #[must_use]
    pub fn chosen(&self) -> Option<&Choice> {
        self.files.iter().find_map(|file| file.default.as_ref())
    }

    /// What each file that has a profile of that name says.
    pub(super) fn profile(&self, name: &str) -> Vec<Vec<Setting>> {
        let profiles = self.files.iter().flat_map(|file| &file.profiles);
        profiles.filter(|(one, _)| one == name).map(|(_, settings)| settings.clone()).collect()
    }

    /// What to say when nobody has a profile of that name.
    pub(super) fn unknown(&self, choice: &Choice) -> Faults {
        let Choice { name, origin } = choice;
        let names: Vec<&str> = self.names().into_iter().collect();
        Faults::one(
            origin,
            match names.is_empty() {
                true => format!("there is no profile `{name}`, nor any other: none is in {}", self.places()),
                false => unknown("profile", name, &names).to_string(),
            },
        )
    }
}

/// Opens a file. To open a pipe that nobody writes to would wait for ever.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Reads one file; `None` where there is none.
fn read(path: &Path, whose: Whose) -> Result<Option<Said>, Faults> {
    let fault = |what: String| Faults(vec![format!("{}: {what}", path.display())]);
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(fault(format!("cannot be opened: {error}"))),
    };
    let metadata = file.metadata().map_err(|error| fault(format!("cannot be looked at: {error}")))?;
    if !metadata.is_file() {
        return Err(fault("is no file".to_owned()));
    }
    let ours = [0, rustix::process::geteuid().as_raw()];
    if whose == Whose::Project && !ours.contains(&metadata.uid()) {
        let why = format!("belongs to another user (uid {})", metadata.uid());
        return Err(fault(format!("{why}, who would choose where you write: chown it, or `-c ''` reads no profiles")));
    }
    let mut text = String::new();
    let read = file.take(BYTES_MOST + 1).read_to_string(&mut text);
    read.map_err(|error| fault(format!("cannot be read: {error}")))?;
    if text.len() as u64 > BYTES_MOST {
        return Err(fault(format!("is over {BYTES_MOST} bytes: it is no file of profiles")));
    }
    let open = too_open(&metadata);
    let mut reader = Reader { path: path.into(), whose, text: &text, open, faults: Vec::new() };
    let said = reader.file();
    let mut faults = reader.faults;
    faults.sort_by_key(|(line, _)| *line);
    if faults.is_empty() { Ok(Some(said)) } else { Err(Faults(faults.into_iter().map(|(_, fault)| fault).collect())) }
}

/// A file that is being read.
struct Reader<'a> {
    path: Arc<Path>,
    whose: Whose,
    text: &'a str,
    /// Its mode, where others can read it.
    open: Option<u32>,
    /// Each with its line.
    faults: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn origin(&self, at: Range<usize>) -> Origin {
        Origin::File(Arc::clone(&self.path), self.whose, self.line(&at))
    }

    fn line(&self, at: &Range<usize>) -> usize {
        1 + self.text[..at.start].matches('\n').count()
    }

    fn fault(&mut self, at: Range<usize>, what: impl std::fmt::Display) {
        let line = self.line(&at);
        self.faults.push((line, format!("{}:{line}: {what}", self.path.display())));
    }

    fn file(&mut self) -> Said {
        let mut said = Said { path: Arc::clone(&self.path), default: None, profiles: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.fault(error.span().unwrap_or(0..0), format!("this is not TOML: {}", error.message()));
        }
        if !self.faults.is_empty() {
            return said;
        }
        for (name, value) in table.get_ref() {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("default", DeValue::String(choice)) => {
                    said.default = Some(Choice { name: choice.to_string(), origin: self.origin(value.span()) });
                }
                ("default", other) => self.wrong(value.span(), "default", "the name of a profile", other),
                ("profile", DeValue::Table(profiles)) => {
                    said.profiles = profiles.iter().map(|(name, value)| self.profile(name, value)).collect();
                }
                ("profile", other) => self.wrong(value.span(), "profile", "tables: [profile.NAME]", other),
                (other, _) => {
                    let unknown = unknown("key", other, &["default", "profile"]);
                    self.fault(name.span(), format!("{unknown}; settings stand under [profile.NAME]"));
                }
            }
        }
        said
    }

    fn wrong(&mut self, at: Range<usize>, name: &str, expected: &str, found: &DeValue<'_>) {
        self.fault(at, format!("`{name}` takes {expected}, and this is a TOML {}", found.type_str()));
    }

    fn profile(
        &mut self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> (String, Vec<Setting>) {
        let mut settings = Vec::new();
        let called = name.get_ref().to_string();
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if called.is_empty() || !called.chars().all(fits) {
            let shown = called.escape_debug();
            self.fault(name.span(), format!("a profile's name is letters, digits, `.`, `_` and `-`, not `{shown}`"));
        }
        match value.get_ref() {
            DeValue::Table(table) => table.iter().for_each(|(name, value)| self.key(name, value, &mut settings)),
            other => self.wrong(value.span(), &called, "settings: [profile.NAME]", other),
        }
        self.agree(value.span(), &settings);
        (called, settings)
    }

    /// One key of a profile, and what it is set to.
    fn key(
        &mut self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        settings: &mut Vec<Setting>,
    ) {
        let Some(key) = KEYS.iter().find(|key| key.name == name.get_ref()) else {
            let names: Vec<&str> = KEYS.iter().filter(|key| key.takes != Takes::Secret).map(|key| key.name).collect();
            return self.fault(name.span(), unknown("key", name.get_ref(), &names));
        };
        if let (Whose::Project, Some(why)) = (self.whose, key.not_by_project) {
            return self.fault(name.span(), format!("a project's file may not say `{}`: {why}", key.name));
        }
        let origin = self.origin(value.span());
        match (key.takes, value.get_ref()) {
            (Takes::Limits, DeValue::Table(table)) => {
                for (name, value) in table {
                    self.limit(name.get_ref(), value, settings);
                }
            }
            (Takes::Secret, _) => {
                let why = "a password does not stand here: name a file of its own with `password_file`";
                self.fault(name.span(), format!("{why}, or a program that prints it with `password_command`"));
            }
            _ => match self.value(key, value) {
                Ok(value) => settings.push(Setting { name: key.name.to_owned(), value, origin }),
                Err(what) => self.fault(value.span(), what),
            },
        }
    }

    fn limit(&mut self, name: &str, value: &Spanned<DeValue<'_>>, settings: &mut Vec<Setting>) {
        let text = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::String(text) => text.to_string(),
            other => return self.wrong(value.span(), name, "a number, such as 5000 or \"256MiB\"", other),
        };
        match Limits::DEFAULT.clone().set(&format!("{name}={text}")) {
            Ok(()) => {
                let (name, origin) = (format!("limits.{name}"), self.origin(value.span()));
                settings.push(Setting { name, value: Value::Text(text), origin });
            }
            Err(what) => self.fault(value.span(), what),
        }
    }

    /// What a key is set to, where it takes one value.
    fn value(&self, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Value, String> {
        let expected = match (key.takes, value.get_ref()) {
            (Takes::Text, DeValue::Integer(number)) if key.name == "timeout" || key.name == "password_timeout" => {
                return Ok(Value::Text(number.to_string()));
            }
            (Takes::Text | Takes::Path, DeValue::String(text)) if text.is_empty() && key.name != "namespace" => {
                return Err(format!("`{}` is empty: leave it out", key.name));
            }
            (Takes::Text, DeValue::String(text)) => return self.text(key, text),
            (Takes::Path, DeValue::String(text)) => return self.file_named(text).map(Value::Path),
            (Takes::Switch, DeValue::Boolean(on)) => return Ok(Value::Switch(*on)),
            (Takes::Words, DeValue::Array(items)) => {
                let words: Option<Vec<String>> =
                    items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
                match words.filter(|words| words.first().is_some_and(|word| !word.is_empty())) {
                    Some(words) => return Ok(Value::Words(words)),
                    None => "a program and its arguments, each a text: no shell is between",
                }
            }
            (Takes::Text, _) => "a text in quotes",
            (Takes::Path, _) => "the name of a file in quotes",
            (Takes::Switch, _) => "true or false",
            (Takes::Words, _) => "a list: [\"pass\", \"show\", \"cache\"]",
            (Takes::Limits, _) => "a table: limits = { depth = 2000 }",
            (Takes::Secret, _) => unreachable!("refused before"),
        };
        Err(format!("`{}` takes {expected}, and this is a TOML {}", key.name, value.get_ref().type_str()))
    }

    fn text(&self, key: &Key, text: &str) -> Result<Value, String> {
        let files = |url: Url| url.query.iter().any(|(name, _)| FILES.iter().any(|file| name.ends_with(file)));
        if self.whose == Whose::Project && key.name == "backend" && Url::parse(text).is_ok_and(files) {
            let why = "a project's file names only files inside its own directory";
            return Err(format!("{why}: with `tls_ca`, `tls_cert` and `tls_key`, not in the URL"));
        }
        match self.open {
            // What a project shares is no secret of anybody's.
            Some(mode) if self.whose == Whose::User && key.name == "backend" && holds_password(text) => {
                let path = self.path.display();
                let why = format!("the URL has a password, and others can read this file (mode {mode:04o})");
                Err(format!("{why}: chmod 600 {path}, or use `password_file`"))
            }
            _ => Ok(Value::Text(text.to_owned())),
        }
    }

    /// A file that is named in this one: seen from where it stands.
    fn file_named(&self, text: &str) -> Result<PathBuf, String> {
        let (named, directory) = (Path::new(text), self.path.parent().unwrap_or(Path::new("/")));
        let inside = named.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        match (self.whose, text.strip_prefix("~/")) {
            (Whose::Project, None) if inside => Ok(directory.join(named)),
            (Whose::Project, _) => Err("a project's file names only files inside its own directory".to_owned()),
            (Whose::User, None) => Ok(directory.join(named)),
            (Whose::User, Some(rest)) => {
                let home = etcetera::home_dir().map_err(|_| "there is no home directory for `~`".to_owned())?;
                Ok(home.join(rest))
            }
        }
    }

    /// Whether the settings of one profile go together.
    fn agree(&mut self, at: Range<usize>, settings: &[Setting]) {
        let has = |name: &str| settings.iter().any(|setting| setting.name == name);
        let passwords = ["password_file", "password_command", "ask_password"];
        let on = |setting: &&Setting| passwords.contains(&&*setting.name) && setting.value != Value::Switch(false);
        let mut said: Vec<&str> = settings.iter().filter(on).map(|setting| setting.name.as_str()).collect();
        let url = settings.iter().find(|setting| setting.name == "backend");
        if url.is_some_and(|url| matches!(&url.value, Value::Text(url) if holds_login(url))) {
            said.push("backend");
        }
        if said.len() > 1 {
            self.fault(at.clone(), format!("{} each have a password for it: keep one", said.join(" and ")));
        }
        for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
            if has(one) && !has(other) {
                self.fault(at.clone(), format!("`{one}` needs `{other}`"));
            }
        }
    }
}

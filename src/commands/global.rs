//! What holds for every command: as it was typed, and as it is once the environment and the files are heard.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Result;
use clap::{ArgAction, Args};

use super::arguments;
use crate::config::{self, Choice, Files, Origin, Profile, Setting, Value};
use crate::exit::Stop;
use crate::limits::Limits;
use crate::render::{Colour, Format};

/// Options that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Flags {
    /// Profile that has what is not said; also @NAME first [env: CACHECTL_CONFIG]
    ///
    /// @NAME stands before the command. An empty NAME is no profile, and reads no files.
    #[arg(short, long, value_name = "NAME", global = true)]
    pub config: Option<String>,
    /// Where entries are [default: disk:] [env: CACHECTL_BACKEND]
    ///
    /// disk: is a directory in the user's cache directory.
    #[arg(short, long, value_name = "URL", global = true)]
    pub backend: Option<String>,
    /// How values are encoded [default: detected] [env: CACHECTL_SERIALIZER]
    ///
    /// Layers, applied from left to right on write: LAYER(+LAYER)*://[?PARAMETER=N]. Without it entries are read as
    /// the layout's library writes them, else by what their bytes show; a new one is json:// where no library says
    /// otherwise.
    #[arg(short, long, value_name = "URL", global = true)]
    pub serializer: Option<String>,
    /// How keys are named [default: plain:] [env: CACHECTL_LAYOUT]
    #[arg(short, long, value_name = "URL", global = true)]
    pub layout: Option<String>,
    /// Namespace of the layout, taken literally [env: CACHECTL_NAMESPACE]
    #[arg(short, long, value_name = "NAME", global = true)]
    pub namespace: Option<String>,
    /// How results are written
    #[arg(short, long, value_name = "FORMAT", value_enum, global = true, default_value_t)]
    pub output: Format,
    /// For connecting, and again for each answer [default: 5s]
    ///
    /// A large value has a second more for each MiB.
    #[arg(long, value_name = "TIME", global = true, value_parser = arguments::checked_timeout)]
    pub timeout: Option<String>,
    /// Raise or lower a limit on what is decoded; may be repeated
    #[arg(long = "max", value_name = "NAME=N", global = true, action = ArgAction::Append, hide_short_help = true)]
    #[arg(value_parser = arguments::limit)]
    pub max: Vec<String>,
    /// End with status 3 when a value names what is dangerous to call, such as os.system
    #[arg(long, global = true, hide_short_help = true)]
    pub strict: bool,
    /// Log in with the password in FILE, which only its owner may read [env: CACHECTL_PASSWORD, the password]
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true)]
    pub password_file: Option<PathBuf>,
    /// Ask for the password on the terminal
    #[arg(long, global = true, conflicts_with = "password_file", hide_short_help = true)]
    pub ask_password: bool,
    /// Trust these PEM certificates beside the system's
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true)]
    pub tls_ca: Option<PathBuf>,
    /// Client certificate, PEM
    #[arg(long, value_name = "FILE", global = true, requires = "tls_key", hide_short_help = true)]
    pub tls_cert: Option<PathBuf>,
    /// Key of the client certificate, PEM
    #[arg(long, value_name = "FILE", global = true, requires = "tls_cert", hide_short_help = true)]
    pub tls_key: Option<PathBuf>,
    /// Trust any certificate: anyone on the way can read and change everything
    #[arg(long, global = true, hide_short_help = true)]
    pub tls_insecure: bool,
    /// Read from replicas of a cluster or of what sentinels watch; they may be a little behind. Nothing can be
    /// written
    #[arg(long, global = true, hide_short_help = true)]
    pub replica: bool,
    /// Colours in text output
    #[arg(long, value_name = "WHEN", value_enum, global = true, default_value_t, hide_short_help = true)]
    pub color: Colour,
    /// Keys are escaped, as ls shows them: \n, \x00, \\ and so on
    #[arg(short, long, global = true)]
    pub escaped: bool,
    /// No remarks on stderr, only warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl Flags {
    /// What holds, with what the environment and the files say.
    ///
    /// # Errors
    /// A usage error when one of them says what nobody can mean.
    pub fn settle(&self) -> Result<Global> {
        let stop = |faults: config::Faults| Stop::usage(faults.to_string());
        let (variables, choice) = config::environment().map_err(stop)?;
        let typed = self.config.clone().map(|name| Choice { name, origin: Origin::Flag("--config") });
        let choice = typed.or(choice);
        let none = choice.as_ref().is_some_and(|choice| choice.name.is_empty());
        let files = if none { Files::default() } else { Files::read().map_err(stop)? };
        let profile = Profile::of(self.said(), variables, choice.filter(|_| !none), &files).map_err(stop)?;
        Global::new(self, profile)
    }

    /// What holds for another place that the same command names: a profile (`@NAME`), or a backend URL. Of what was
    /// said for the first, files for TLS hold, and times and limits; and never a password.
    ///
    /// # Errors
    /// As [`Flags::settle`].
    fn settle_for(&self, place: &str) -> Result<Global> {
        let stop = |faults: config::Faults| Stop::usage(faults.to_string());
        let profile = place.strip_prefix('@').map(str::to_owned);
        let backend = if profile.is_some() { None } else { Some(place.to_owned()) };
        let one = self.clone();
        let flags = Flags {
            backend,
            timeout: one.timeout,
            max: one.max,
            strict: one.strict,
            tls_ca: one.tls_ca,
            tls_cert: one.tls_cert,
            tls_key: one.tls_key,
            tls_insecure: one.tls_insecure,
            escaped: one.escaped,
            quiet: one.quiet,
            ..Flags::default()
        };
        let choice = profile.map(|name| Choice { name, origin: Origin::Flag("@NAME") });
        let files = if choice.is_some() { Files::read().map_err(stop)? } else { Files::default() };
        Global::new(&flags, Profile::of(flags.said(), Vec::new(), choice, &files).map_err(stop)?)
    }

    /// What the flags say of what others can say too.
    fn said(&self) -> Vec<Setting> {
        let texts = [
            ("backend", &self.backend),
            ("serializer", &self.serializer),
            ("layout", &self.layout),
            ("namespace", &self.namespace),
            ("timeout", &self.timeout),
        ];
        let paths = [
            ("password_file", &self.password_file),
            ("tls_ca", &self.tls_ca),
            ("tls_cert", &self.tls_cert),
            ("tls_key", &self.tls_key),
        ];
        let switches =
            [("ask_password", self.ask_password), ("tls_insecure", self.tls_insecure), ("replica", self.replica)];
        // Of a limit that is there twice, the last holds.
        let limits = self.max.iter().rev().filter_map(|text| text.split_once('='));
        let limits = limits.map(|(name, number)| (format!("limits.{name}"), Value::Text(number.to_owned())));
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::Text(text.clone()?))));
        let paths = paths.into_iter().filter_map(|(name, path)| Some((name.to_owned(), Value::Path(path.clone()?))));
        let switches =
            switches.into_iter().filter(|(_, on)| *on).map(|(name, on)| (name.to_owned(), Value::Switch(on)));
        let flag = |name: &str| Origin::Flag(config::key(name).flag.expect("each of these has a flag"));
        let setting = |(name, value): (String, Value)| Setting { origin: flag(&name), name, value };
        texts.chain(paths).chain(switches).chain(limits).map(setting).collect()
    }
}

/// What holds.
#[derive(Clone, Debug)]
pub struct Global {
    /// The serializer's URL.
    pub serializer: Option<String>,
    /// The layout's URL.
    pub layout: String,
    /// The namespace of the layout.
    pub namespace: Option<String>,
    /// For connecting, and again for each answer.
    pub timeout: Duration,
    /// Whether a value that names what is dangerous is refused.
    pub strict: bool,
    /// Whether keys are escaped.
    pub escaped: bool,
    /// Whether remarks are left out.
    pub quiet: bool,
    /// Who said what.
    pub profile: Profile,
    limits: Limits,
    flags: Flags,
    /// The backend's URL with the password, once that was asked for.
    pub(super) login: OnceLock<String>,
}

impl Global {
    /// What holds by `profile`, and by the flags that nothing else can say.
    ///
    /// # Errors
    /// When a time or a limit is none.
    pub fn new(flags: &Flags, profile: Profile) -> Result<Global> {
        // A variable of a script that is not set must not lead to another store.
        if flags.backend.as_deref() == Some("") {
            return Err(Stop::usage("-b is empty: `disk:` is the embedded store").into());
        }
        let mut limits = Limits::DEFAULT;
        for (text, origin) in profile.limits() {
            limits.set(&text).map_err(|error| Stop::usage(format!("{origin}: {error}")))?;
        }
        let text = |name: &str| profile.text(name).map(str::to_owned);
        Ok(Global {
            serializer: text("serializer"),
            layout: text("layout").unwrap_or_else(|| config::key("layout").default.to_owned()),
            namespace: text("namespace"),
            timeout: time(&profile, "timeout")?,
            strict: flags.strict,
            escaped: flags.escaped,
            quiet: flags.quiet,
            limits,
            profile,
            flags: flags.clone(),
            login: OnceLock::new(),
        })
    }

    /// What holds for another place that the command names: `@NAME`, a profile, or a backend URL.
    ///
    /// # Errors
    /// A usage error when a file says what nobody can mean.
    pub fn elsewhere(&self, place: &str) -> Result<Global> {
        self.flags.settle_for(place)
    }

    /// The backend URL, as it was said: `disk:` unless another was.
    #[must_use]
    pub fn backend_url(&self) -> &str {
        self.profile.text("backend").filter(|url| !url.is_empty()).unwrap_or(config::key("backend").default)
    }

    /// The limits, as raised or lowered.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A file that TLS takes.
    #[must_use]
    pub fn tls(&self, name: &str) -> Option<PathBuf> {
        self.profile.path(name).map(Path::to_path_buf)
    }
}

/// The time that `name` is set to.
///
/// # Errors
/// When it is none.
pub fn time(profile: &Profile, name: &str) -> Result<Duration> {
    let text = profile.text(name).unwrap_or(config::key(name).default);
    let place = || profile.setting(name).map_or_else(String::new, |setting| format!("{}: ", setting.origin));
    Ok(arguments::timeout(text).map_err(|error| Stop::usage(format!("{}`{name}`: {error}", place())))?)
}

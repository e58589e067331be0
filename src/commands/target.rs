//! The global options; the three URLs, read and opened.
//!
//! All of them are read before anything is connected, so that a slip in one is a usage error and
//! not half a command.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{ArgAction, Args};
use etcetera::BaseStrategy as _;

use super::arguments;
use crate::backend::{self, Connect, Options};
use crate::cache::{Cache, Reader};
use crate::codec::Codec;
use crate::exit::Stop;
use crate::layout::{self, Layout};
use crate::limits::Limits;
use crate::render::{self, Colour, Format, Printer};
use crate::secret::redact;

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where entries are [default: disk: in the user's cache directory]
    #[arg(short, long, env = "CACHECTL_BACKEND", value_name = "URL", global = true, hide_env_values = true)]
    pub backend: Option<String>,
    /// How values are encoded [default: as the layout's library does, else detected]
    #[arg(short, long, env = "CACHECTL_SERIALIZER", value_name = "URL", global = true)]
    pub serializer: Option<String>,
    /// How keys are named
    #[arg(short, long, env = "CACHECTL_LAYOUT", value_name = "URL", global = true, default_value = "plain:")]
    pub layout: String,
    /// Namespace of the layout, taken literally
    #[arg(short, long, env = "CACHECTL_NAMESPACE", value_name = "NAME", global = true)]
    pub namespace: Option<String>,
    /// How results are written
    #[arg(short, long, value_name = "FORMAT", value_enum, global = true, default_value_t)]
    pub output: Format,
    /// For connecting, and again for each answer; a large value has a second more for each MiB
    #[arg(long, value_name = "TIME", global = true, default_value = "5s", value_parser = arguments::timeout)]
    pub timeout: Duration,
    /// Raise or lower a limit on what is decoded; may be repeated
    #[arg(long = "max", value_name = "NAME=N", global = true, action = ArgAction::Append)]
    #[arg(value_parser = arguments::limit)]
    pub max: Vec<String>,
    /// End with status 3 when a value names what is dangerous to call, such as os.system
    #[arg(long, global = true)]
    pub strict: bool,
    /// Trust these PEM certificates beside the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub tls_ca: Option<PathBuf>,
    /// Client certificate, PEM
    #[arg(long, value_name = "FILE", global = true, requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the client certificate, PEM
    #[arg(long, value_name = "FILE", global = true, requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Trust any certificate: anyone on the way can read and change everything
    #[arg(long, global = true)]
    pub tls_insecure: bool,
    /// Colours in text output
    #[arg(long, value_name = "WHEN", value_enum, global = true, default_value_t)]
    pub color: Colour,
    /// Keys are escaped as ls shows them on a terminal: \n, \x00, \\ and so on
    #[arg(short, long, global = true)]
    pub escaped: bool,
    /// No remarks on stderr, only warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl Global {
    /// The backend URL: `disk:` unless another is given.
    #[must_use]
    pub fn backend_url(&self) -> &str {
        self.backend.as_deref().filter(|url| !url.is_empty()).unwrap_or("disk:")
    }

    /// The limits, as raised or lowered.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::DEFAULT;
        for text in &self.max {
            limits.set(text).expect("the parser has checked each");
        }
        limits
    }
}

/// Opens the cache that the options name.
///
/// # Errors
/// When a URL means nothing, or the backend cannot be reached.
pub fn open(global: &Global, printer: &mut Printer) -> Result<Cache> {
    let (_, connect) = connect(global, printer)?;
    open_by(&connect, global)
}

/// Opens it by a backend URL that has been read.
///
/// # Errors
/// As [`open`].
pub fn open_by(connect: &Connect, global: &Global) -> Result<Cache> {
    let layout = layout(global)?;
    let reader = match layout.serializer().filter(|_| global.serializer.as_deref().unwrap_or_default().is_empty()) {
        Some(usual) => reader(global)?.usually(Codec::parse(usual).expect("layouts name layers of the table")),
        None => reader(global)?,
    };
    Ok(Cache::new(connect()?, layout, reader))
}

/// Reads the backend URL alone. Connects to nothing.
///
/// # Errors
/// When it means nothing.
pub fn connect(global: &Global, printer: &mut Printer) -> Result<(Options, Connect)> {
    let options = options(global)?;
    let url = global.backend_url();
    let connect = backend::parse(url, &options).with_context(|| format!("the backend URL {}", redact(url)))?;
    if global.tls_insecure {
        printer.warn("--tls-insecure: any certificate is trusted; anyone on the way can read and change everything");
    }
    Ok((options, connect))
}

/// The codec alone.
///
/// # Errors
/// When the serializer URL means nothing.
pub fn reader(global: &Global) -> Result<Reader> {
    Ok(Reader::new(codec(global)?, global.limits()))
}

/// The codec that was asked for; `None` for `auto`.
///
/// # Errors
/// When the serializer URL means nothing.
pub fn codec(global: &Global) -> Result<Option<Codec>> {
    match global.serializer.as_deref() {
        None | Some("" | "auto:" | "auto://") => Ok(None),
        Some(url) => Ok(Some(Codec::parse(url).context("the serializer URL")?)),
    }
}

/// The layout, for the kind of backend that the options name.
///
/// # Errors
/// When the layout URL or the backend URL means nothing.
pub fn layout(global: &Global) -> Result<Box<dyn Layout>> {
    let url = global.backend_url();
    let kind = backend::kind(url).with_context(|| format!("the backend URL {}", redact(url)))?;
    layout::parse(&global.layout, global.namespace.as_deref(), kind).context("the layout URL")
}

fn options(global: &Global) -> Result<Options> {
    Ok(Options {
        timeout: global.timeout,
        limits: global.limits(),
        disk_default: disk_default()?,
        tls_ca: global.tls_ca.clone(),
        tls_client: global.tls_cert.clone().zip(global.tls_key.clone()),
        tls_insecure: global.tls_insecure,
        tell: if global.quiet { |_| () } else { render::remark },
    })
}

/// `cachectl` in the user's cache directory.
fn disk_default() -> Result<PathBuf> {
    let strategy = etcetera::choose_base_strategy();
    let strategy = strategy.map_err(|_| {
        Stop::usage("there is no home directory to keep the embedded store in: -b disk:///DIR names one")
    })?;
    Ok(strategy.cache_dir().join("cachectl"))
}

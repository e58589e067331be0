//! The three URLs, read and opened.
//!
//! All of them are read before anything is connected, so that a slip in one is a usage error and
//! not half a command.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use etcetera::BaseStrategy as _;

use super::{Global, login};
use crate::backend::{self, Connect, Dial, Options};
use crate::cache::{Cache, Reader};
use crate::codec::Codec;
use crate::entry::Kind;
use crate::exit::Stop;
use crate::layout::{self, Layout};
use crate::render::{self, Printer};
use crate::secret::{Secret, holds_login, holds_password, redact, with_password};

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
/// When it means nothing, or the password for it cannot be had.
pub fn connect(global: &Global, printer: &mut Printer) -> Result<(Options, Connect)> {
    let options = options(global)?;
    let connect = connect_by(&options, global, printer)?;
    Ok((options, connect))
}

/// The same, by options of the caller's own.
///
/// # Errors
/// As [`connect`].
pub fn connect_by(options: &Options, global: &Global, printer: &mut Printer) -> Result<Connect> {
    let connect = backend::parse(login::url(global, printer)?, options).with_context(|| named(global))?;
    if options.tls_insecure {
        printer.warn("--tls-insecure: any certificate is trusted; anyone on the way can read and change everything");
    }
    Ok(connect)
}

/// Reads all three URLs, and connects to nothing.
///
/// # Errors
/// When one means nothing.
pub fn check(global: &Global) -> Result<()> {
    let url = global.backend_url();
    // Where a password will be, some URLs must have one.
    let url = match login::source(&global.profile) {
        Some(_) if !holds_login(url) => &with_password(url, &Secret::new("x".to_owned())),
        _ => url,
    };
    drop(backend::parse(url, &options(global)?).with_context(|| named(global))?);
    layout(global)?;
    reader(global).map(drop)
}

/// [`connect`], for who speaks the server's protocol himself; `None` where the store is no server.
///
/// # Errors
/// As [`connect`].
pub fn dial(global: &Global, options: &Options, printer: &mut Printer) -> Result<Option<Box<dyn Dial>>> {
    backend::dial(login::url(global, printer)?, options).with_context(|| named(global))
}

/// The backend URL, for an error about it.
fn named(global: &Global) -> String {
    format!("the backend URL {}{}", redact(global.backend_url()), global.profile.whence("backend"))
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
        // An error of its own would repeat it.
        Some(url) if holds_password(url) => {
            let told = format!("the serializer URL {} names a server, which is for -b", redact(url));
            Err(Stop::usage(told).into())
        }
        Some(url) => Ok(Some(
            Codec::parse(url).with_context(|| format!("the serializer URL{}", global.profile.whence("serializer")))?,
        )),
    }
}

/// The layout, for the kind of backend that the options name.
///
/// # Errors
/// When the layout URL or the backend URL means nothing.
pub fn layout(global: &Global) -> Result<Box<dyn Layout>> {
    layout_on(backend::kind(global.backend_url()).with_context(|| named(global))?, global)
}

/// The layout on a kind of backend.
///
/// # Errors
/// When the layout URL means nothing.
pub fn layout_on(kind: Kind, global: &Global) -> Result<Box<dyn Layout>> {
    let parsed = layout::parse(&global.layout, global.namespace.as_deref(), kind);
    parsed.with_context(|| format!("the layout URL{}", global.profile.whence("layout")))
}

/// What the options say of every backend.
///
/// # Errors
/// When there is no place for the embedded store.
pub fn options(global: &Global) -> Result<Options> {
    Ok(Options {
        timeout: global.timeout,
        limits: global.limits(),
        disk_default: disk_default()?,
        tls_ca: global.tls("tls_ca"),
        tls_client: global.tls("tls_cert").zip(global.tls("tls_key")),
        tls_insecure: global.profile.is_on("tls_insecure"),
        replica: global.profile.is_on("replica"),
        password_from: login::whence(global),
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

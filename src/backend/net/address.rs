//! Where a server is, as the authority, the path and the `ssl_*` parameters of a URL say it.
//!
//! No part of a URL that may belong to a password is repeated in an error. Nothing is connected or
//! looked up here.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use crate::url::{Url, UrlError, percent_decode, percent_decode_text};

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host and a port, in the clear.
    Tcp(String, u16),
    /// A host and a port, under TLS.
    Tls(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// As it stands in a URL.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(host, port) | Place::Tls(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp(host, port) | Place::Tls(host, port) => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What stands between a URL's scheme and its query.
pub struct Authority<'a> {
    /// Still percent-encoded.
    pub user: &'a str,
    /// Still percent-encoded.
    pub password: &'a str,
    /// Host and port.
    pub address: &'a str,
    /// From the first `/` on.
    pub path: &'a str,
}

impl<'a> Authority<'a> {
    /// Takes apart what `url` has; `text` is all of it, as it was typed.
    ///
    /// # Errors
    /// When it is no URL with an authority, or a character that ends a part is probably meant to be in it.
    pub fn of(url: &'a Url, text: &str) -> Result<Authority<'a>, UrlError> {
        if !url.slashes {
            return Err(UrlError::new(format!("a `{}:` URL goes on with `//`", url.scheme)));
        }
        if text.contains('#') {
            return Err(UrlError::new("a `#` ends a URL, and what follows would be dropped: write it as %23"));
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(UrlError::new("a URL has no control characters, and no space around it: percent-encode them"));
        }
        let slash = url.rest.find('/').unwrap_or(url.rest.len());
        let (authority, path) = url.rest.split_at(slash);
        let (user, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let stray = !authority.contains('@') && url.query.iter().any(|(name, _)| name.contains('@'));
        if stray || !url.scheme.ends_with("unix") && path.contains('@') {
            return Err(UrlError::new("a `/` or `?` in a user name or password must be written as %2F or %3F"));
        }
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        Ok(Authority { user, password, address, path })
    }
}

/// What a URL says of certificates (`ssl_*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A file of certificates to trust.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// The client's key; in the certificate's file where the URL does not say.
    pub key: Option<PathBuf>,
    /// The parameter that switches checks off, if any does.
    pub unchecked: Option<&'static str>,
}

/// The parameters that [`Tls::take`] takes, named as redis-py names them.
pub const TRUST: &[&str] = &["ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"];

impl Tls {
    /// Takes a parameter of [`TRUST`].
    ///
    /// # Errors
    /// What is wrong with the value.
    pub fn take(&mut self, name: &'static str, value: &str) -> Result<(), &'static str> {
        match name {
            "ssl_ca_certs" => self.ca = Some(value.into()),
            "ssl_certfile" => self.certificate = Some(value.into()),
            "ssl_keyfile" => self.key = Some(value.into()),
            "ssl_cert_reqs" => match value {
                "required" => {}
                "none" | "optional" => self.unchecked = Some(name),
                _ => return Err("expected required, optional or none"),
            },
            _ => self.unchecked = if switch(value)? { self.unchecked } else { Some(name) },
        }
        Ok(())
    }

    /// What the parameters say together.
    ///
    /// # Errors
    /// When a key has no certificate, or checks are switched off and `insecure` does not confirm it.
    pub fn check(&self, insecure: bool) -> Result<(), UrlError> {
        match self {
            Tls { certificate: None, key: Some(_), .. } => Err(UrlError::new("`ssl_keyfile` needs `ssl_certfile`")),
            Tls { unchecked: Some(parameter), .. } if !insecure => Err(UrlError::new(format!(
                "`{parameter}` in the URL switches certificate checks off: confirm it with --tls-insecure"
            ))),
            _ => Ok(()),
        }
    }
}

/// redis-py's words for false, and the usual ones for true.
///
/// # Errors
/// When it is neither.
pub fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "0" | "f" | "false" | "n" | "no" => Ok(false),
        "1" | "t" | "true" | "y" | "yes" => Ok(true),
        _ => Err("expected true or false; redis-py takes any other text for true"),
    }
}

/// The socket that a URL's path names, after `host`, which must be empty. `example` shows the scheme.
///
/// # Errors
/// When it names none.
pub fn socket(host: &str, path: &str, example: &str) -> Result<Place, UrlError> {
    if !host.is_empty() {
        return Err(UrlError::new(format!("a socket's path starts with a third `/`, as in {example}")));
    }
    let bytes = percent_decode(path)?;
    if bytes.len() < 2 || bytes.contains(&0) {
        return Err(UrlError::new(format!("no socket is named: write {example}")));
    }
    Ok(Place::Unix(path_of(bytes)?))
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Result<PathBuf, UrlError> {
    use std::os::unix::ffi::OsStringExt;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
fn path_of(_bytes: Vec<u8>) -> Result<PathBuf, UrlError> {
    Err(UrlError::new("this system has no Unix sockets"))
}

/// The host and the port that a URL's authority names, after any user; `usual` is the port where it
/// names none.
///
/// # Errors
/// When it names no host or no port, or more than one.
pub fn host_and_port(address: &str, tls: bool, usual: u16) -> Result<Place, UrlError> {
    let after = match address.strip_prefix('[') {
        Some(bracketed) => 2 + bracketed.find(']').ok_or_else(|| UrlError::new("a `[` in a URL needs its `]`"))?,
        None => address.find(':').unwrap_or(address.len()),
    };
    let (host, port) = address.split_at(after);
    let port = match (port, port.strip_prefix(':')) {
        ("" | ":", _) => usual,
        (_, Some(digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().unwrap_or(0),
        _ => 0,
    };
    // What is no port or host may be the rest of a password: it is not repeated.
    if port == 0 {
        return Err(UrlError::new(
            "the port is not a number from 1 to 65535; \
             a `/`, `?`, `#`, `@` or `:` in a password must be percent-encoded",
        ));
    }
    let host = percent_decode_text(host.trim_matches(['[', ']']))?.to_ascii_lowercase();
    let known = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    let zone = host.find('%').unwrap_or(host.len());
    if address.starts_with('[') && host[..zone].parse::<Ipv6Addr>().is_err() {
        return Err(UrlError::new("what stands in the URL's brackets is not an IPv6 address"));
    }
    if !host.chars().all(known) {
        return Err(UrlError::new("the host has characters other than letters, digits, `-`, `.` and `_`"));
    }
    let host = if host.is_empty() { "localhost".to_owned() } else { host };
    Ok(if tls { Place::Tls(host, port) } else { Place::Tcp(host, port) })
}

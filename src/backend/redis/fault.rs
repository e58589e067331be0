//! What went wrong with a Redis server, in words that an operator can act on.
//!
//! Two kinds of trouble: the connection failed ([`lost`]), or the server answered with an error
//! ([`refused`]). The server's own words are kept and advice follows them. Nothing here has seen a
//! password: labels are made without one, and the arguments that a server repeats are cut off.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, ServerError};
use rustls::{AlertDescription, CertificateError};

use super::reply::TooMuch;
use super::stream::Handshake;
use super::url::Place;
use crate::backend::{Error, ErrorKind, Options};

/// What a server's error means: how its text starts, which kind it is, what to do.
const ANSWERS: &[(&str, ErrorKind, &str)] = &[
    ("NOAUTH", ErrorKind::Denied, "the server wants a password: "),
    ("WRONGPASS", ErrorKind::Denied, "check the user and the password in the URL"),
    ("NOPERM", ErrorKind::Denied, "the server's ACL does not let this user do that"),
    (
        "DENIED",
        ErrorKind::Denied,
        "the server is in protected mode: it wants a password, or a connection from its own host",
    ),
    ("ERR invalid password", ErrorKind::Denied, "check the password in the URL"),
    ("ERR AUTH", ErrorKind::Denied, "the server has no password: leave it out of the URL"),
    (
        "ERR wrong number of arguments for 'auth'",
        ErrorKind::Denied,
        "before Redis 6 there are no users: leave the user out of the URL",
    ),
    ("ERR Client sent AUTH", ErrorKind::Denied, "the server has no password: leave it out of the URL"),
    ("ERR max number of clients", ErrorKind::Unreachable, "raise maxclients, or close idle connections"),
    ("ERR unknown command", ErrorKind::Unsupported, "the server is too old, or the command is renamed or switched off"),
    ("ERR syntax error", ErrorKind::Failed, "the server may be too old for an option of that command"),
    ("ERR DB index", ErrorKind::Failed, "the server has fewer databases (CONFIG GET databases)"),
    (
        "ERR SELECT is not allowed",
        ErrorKind::Failed,
        "a cluster has database 0 only, and clusters are not supported yet",
    ),
    ("ERR invalid expire time", ErrorKind::Unfit, "the ttl is out of range"),
    ("ERR value is not an integer", ErrorKind::Unfit, "a number is out of range"),
    ("NOPROTO", ErrorKind::Failed, "leave `protocol=` out of the URL"),
    ("WRONGTYPE", ErrorKind::Unfit, "the key holds another type of value"),
    (
        "MOVED",
        ErrorKind::Failed,
        "this is a node of a Redis Cluster, which is not supported yet: only keys of this node can be used",
    ),
    ("ASK", ErrorKind::Failed, "this is a node of a Redis Cluster, which is not supported yet"),
    ("CROSSSLOT", ErrorKind::Failed, "this is a node of a Redis Cluster, which is not supported yet"),
    ("CLUSTERDOWN", ErrorKind::Failed, "the cluster does not serve all of its slots"),
    ("TRYAGAIN", ErrorKind::Failed, "the cluster is moving slots: try again"),
    ("LOADING", ErrorKind::Failed, "the server has just started: try again when its data is loaded"),
    ("MASTERDOWN", ErrorKind::Failed, "this replica has lost its primary and may not answer with old data"),
    ("READONLY", ErrorKind::Failed, "this is a replica: write to its primary"),
    ("NOREPLICAS", ErrorKind::Failed, "too few replicas are connected for the server to accept writes"),
    ("OOM", ErrorKind::Failed, "the server is at its maxmemory and may not evict"),
    ("MISCONF", ErrorKind::Failed, "the server cannot save its data to disk, and refuses writes until it can"),
    ("BUSY", ErrorKind::Failed, "a script keeps the server busy"),
];

/// The server answered with an error to what `doing` says.
pub fn refused(label: &str, doing: &str, error: &ServerError) -> Error {
    let words = match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    };
    // A server that does not know a command repeats its arguments: values, and a login's password.
    let words = words.split(", with args beginning with").next().unwrap_or_default();
    let answer = ANSWERS.iter().find(|(start, ..)| words.starts_with(start));
    let login = match (words.starts_with("NOAUTH"), label.split_once("://")) {
        (true, Some((scheme @ "redis+unix", _))) => format!("{scheme}://USER:PASSWORD@/PATH"),
        (true, Some((scheme, _))) => format!("{scheme}://USER:PASSWORD@HOST"),
        _ => String::new(),
    };
    let (kind, advice) =
        answer.map_or((ErrorKind::Failed, String::new()), |row| (row.1, format!(" ({}{login})", row.2)));
    Error::new(kind, format!("{doing} at {label}: the server says: {words}{advice}"))
}

/// The connection could not be made, or was lost.
pub fn lost(label: &str, error: &RedisError, options: &Options, place: &Place) -> Error {
    // The crate keeps its causes behind an `Arc`, which is what `source` hands out.
    let source = error.source().and_then(|source| source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>());
    let system = source.and_then(|source| source.downcast_ref::<io::Error>());
    let inner = system.and_then(io::Error::get_ref);
    if inner.is_some_and(|inner| inner.is::<TooMuch>()) {
        return Error::new(ErrorKind::Limit, format!("a reply of {label} is {}", options.limits.exceeded("stored")));
    }
    let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (kind, why) = match (tls, system) {
        (Some(error), _) => secured(error),
        (None, Some(error)) => plain(error, options.timeout, place),
        (None, None) if error.kind() == redis::ErrorKind::Parse => (
            ErrorKind::Unreachable,
            "it does not answer in Redis's protocol: another kind of server listens there".into(),
        ),
        (None, None) => (ErrorKind::Unreachable, error.to_string()),
    };
    Error::new(kind, format!("no connection to {label}: {why}"))
}

fn plain(error: &io::Error, timeout: Duration, place: &Place) -> (ErrorKind, String) {
    let unix = matches!(place, Place::Unix(_));
    let why = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            let during = match error.get_ref() {
                Some(inner) if inner.is::<Handshake>() => " during the TLS handshake: does it speak TLS?",
                _ => "",
            };
            format!("no answer within {timeout:?}{during} (--timeout allows more)")
        }
        io::ErrorKind::ConnectionRefused => "connection refused: no server listens there".to_owned(),
        io::ErrorKind::NotFound if unix => "there is no such socket: is the server running?".to_owned(),
        io::ErrorKind::PermissionDenied if unix => {
            return (ErrorKind::Denied, "this user may not open the socket".to_owned());
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => match place {
            Place::Tcp(..) => "the server closed the connection (one that wants TLS does: try rediss://)".to_owned(),
            _ => "the server closed the connection".to_owned(),
        },
        _ => error.to_string(),
    };
    (ErrorKind::Unreachable, why)
}

fn secured(error: &rustls::Error) -> (ErrorKind, String) {
    let why = match error {
        rustls::Error::InvalidCertificate(fault) => certificate(fault),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS: try redis://".to_owned(),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => {
            let why = "the server wants a client certificate that it trusts: --tls-cert and --tls-key name one";
            return (ErrorKind::Denied, format!("{why} ({error})"));
        }
        _ => format!("TLS failed: {error}"),
    };
    (ErrorKind::Unreachable, why)
}

fn certificate(fault: &CertificateError) -> String {
    let why = match fault {
        CertificateError::UnknownIssuer => {
            return "the server's certificate is signed by an authority that is not trusted here: \
                    --tls-ca FILE trusts it"
                .to_owned();
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host name than the URL's"
        }
        CertificateError::Revoked => "is revoked",
        _ => return format!("the server's certificate is not valid: {fault} (--tls-insecure does without the check)"),
    };
    let details = match fault {
        CertificateError::ExpiredContext { .. } | CertificateError::NotValidForNameContext { .. } => {
            format!(": {fault}")
        }
        _ => String::new(),
    };
    format!("the server's certificate {why}{details} (--tls-insecure does without the check)")
}

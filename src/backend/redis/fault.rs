//! What went wrong with a Redis server, in words that an operator can act on.
//!
//! Two kinds of trouble: the connection failed ([`lost`]), or the server answered with an error
//! ([`refused`]). The server's own words are kept and advice follows them. Nothing here has seen a
//! password: labels are made without one, and the arguments that a server repeats are cut off.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use redis::{RedisError, ServerError};

use crate::backend::net::{self, Place, Schemes};
use crate::backend::{Error, ErrorKind, Options};

const SCHEMES: Schemes = Schemes { protocol: "Redis's", clear: "redis://", tls: "rediss://" };

/// What a server's error means: how its text starts, which kind it is, what to do.
const ANSWERS: &[(&str, ErrorKind, &str)] = &[
    ("NOAUTH", ErrorKind::Denied, "the server wants a password: --password-file, CACHECTL_PASSWORD or "),
    ("WRONGPASS", ErrorKind::Denied, "check the user and the password"),
    ("NOPERM", ErrorKind::Denied, "the server's ACL does not let this user do that"),
    (
        "EXECABORT Transaction discarded because of: NOPERM",
        ErrorKind::Denied,
        "the server's ACL does not let this user do that",
    ),
    (
        "DENIED",
        ErrorKind::Denied,
        "the server is in protected mode: it wants a password, or a connection from its own host",
    ),
    ("ERR invalid password", ErrorKind::Denied, "check the password"),
    ("ERR AUTH", ErrorKind::Denied, "the server has no password: leave it out"),
    (
        "ERR wrong number of arguments for 'auth'",
        ErrorKind::Denied,
        "before Redis 6 there are no users: leave the user out of the URL",
    ),
    ("ERR Client sent AUTH", ErrorKind::Denied, "the server has no password: leave it out"),
    ("ERR max number of clients", ErrorKind::Unreachable, "raise maxclients, or close idle connections"),
    ("ERR unknown command", ErrorKind::Unsupported, "the server is too old, or the command is renamed or switched off"),
    ("ERR syntax error", ErrorKind::Failed, "the server may be too old for an option of that command"),
    ("ERR DB index", ErrorKind::Failed, "the server has fewer databases (CONFIG GET databases)"),
    ("ERR SELECT is not allowed", ErrorKind::Failed, "a cluster has database 0 only"),
    (
        "ERR This instance has cluster support disabled",
        ErrorKind::Unsupported,
        "it is no node of a cluster: redis://HOST:PORT is for a server by itself",
    ),
    ("ERR invalid expire time", ErrorKind::Unfit, "the ttl is out of range"),
    ("ERR value is not an integer", ErrorKind::Unfit, "the entry, or a number given, is no integer of 64 bits"),
    ("ERR hash value is not an integer", ErrorKind::Unfit, "the field holds no integer of 64 bits"),
    ("ERR increment or decrement would overflow", ErrorKind::Unfit, "a counter has 64 bits, one for the sign"),
    ("ERR wrong number of arguments", ErrorKind::Unfit, "`raw COMMAND DOCS NAME` says what a command takes"),
    ("ERR unknown subcommand", ErrorKind::Unsupported, "the server is too old, or has no such subcommand"),
    ("NOPROTO", ErrorKind::Failed, "leave `protocol=` out of the URL"),
    ("WRONGTYPE", ErrorKind::Unfit, "the key holds another type of value"),
    ("MOVED", ErrorKind::Failed, "the nodes of the cluster do not agree where the key is: try again"),
    ("ASK", ErrorKind::Failed, "the nodes of the cluster do not agree where the key is: try again"),
    ("CROSSSLOT", ErrorKind::Failed, "in a cluster all keys of a command are in one slot, as with a common {part}"),
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
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) => net::lost(label, error, options, place, &SCHEMES),
        None => {
            let why = match error.kind() {
                redis::ErrorKind::Parse => SCHEMES.not_spoken(),
                _ => error.to_string(),
            };
            Error::new(ErrorKind::Unreachable, format!("no connection to {label}: {why}"))
        }
    }
}

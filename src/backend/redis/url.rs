//! What a Redis URL says, in redis-py's grammar and without its traps.
//!
//! An application's URL must reach the same server, database and user here as it does there, so
//! redis-py 6.4 (`redis/connection.py`, `parse_url`) decides what a part means. Where redis-py reads
//! something else than what is written (`/1/2` is database 12, `/abc` is 0, `decode_responses=False`
//! is true), the URL is refused with a sentence that says so. No part of a URL that may belong to a
//! password is repeated in an error. Nothing is connected or looked up here.

use crate::backend::net::{self, Authority, Place, Tls};
use crate::url::{Url, UrlError, percent_decode, percent_decode_text};

/// Where to connect, and as whom. Has no `Debug`: it holds a password.
#[derive(Clone)]
pub struct Target {
    /// The server's address.
    pub place: Place,
    /// The number of the database.
    pub db: u32,
    /// The ACL user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Whether to speak RESP3 (`protocol=3`).
    pub resp3: bool,
    /// What the URL says of certificates.
    pub tls: Tls,
}

/// What a parameter of redis-py is to us.
enum Takes {
    /// It says where to connect and as whom.
    Db,
    Username,
    Password,
    Protocol,
    /// It says what to trust.
    Trust,
    /// It changes nothing for one command of ours: checked, then left alone.
    Count,
    Seconds,
    Switch,
    Text,
    /// It must be what it is when it is left out.
    Only(&'static [&'static str], &'static str),
    /// redis-py knows it, and a URL cannot use it; or we cannot do what it asks.
    Never(&'static str),
}

const IN_THE_URL: &str = "say it in the URL itself";
const AN_OBJECT: &str = "redis-py wants an object there, and a URL can only hold text";
const NOT_YET: &str = "it changes what is trusted, and cachectl cannot do that yet";

/// What redis-py 6.4 takes in a URL: the arguments of its connection classes and of its pool.
const PARAMETERS: &[(&str, Takes)] = &[
    ("db", Takes::Db),
    ("username", Takes::Username),
    ("password", Takes::Password),
    ("protocol", Takes::Protocol),
    ("ssl_cert_reqs", Takes::Trust),
    ("ssl_check_hostname", Takes::Trust),
    ("ssl_ca_certs", Takes::Trust),
    ("ssl_certfile", Takes::Trust),
    ("ssl_keyfile", Takes::Trust),
    ("socket_timeout", Takes::Seconds),
    ("socket_connect_timeout", Takes::Seconds),
    ("socket_keepalive", Takes::Switch),
    ("retry_on_timeout", Takes::Switch),
    ("max_connections", Takes::Count),
    ("health_check_interval", Takes::Count),
    ("client_name", Takes::Text),
    ("lib_name", Takes::Text),
    ("lib_version", Takes::Text),
    (
        "decode_responses",
        Takes::Only(
            &["true", "t", "1", "yes", "y"],
            "redis-py takes any text as true, `False` too: leave it out where it is meant to be false",
        ),
    ),
    (
        "encoding",
        Takes::Only(
            &["utf-8", "utf8"],
            "it changes the bytes of every key and every text, and cachectl knows UTF-8 only",
        ),
    ),
    ("encoding_errors", Takes::Only(&["strict"], "it changes the bytes of keys that are not Unicode")),
    ("host", Takes::Never(IN_THE_URL)),
    ("port", Takes::Never(IN_THE_URL)),
    ("path", Takes::Never(IN_THE_URL)),
    ("timeout", Takes::Never("redis-py's connections do not take it; the timeout here is --timeout")),
    ("retry_on_error", Takes::Never("redis-py would make a list of single characters of it")),
    ("retry", Takes::Never(AN_OBJECT)),
    ("credential_provider", Takes::Never(AN_OBJECT)),
    ("redis_connect_func", Takes::Never(AN_OBJECT)),
    ("parser_class", Takes::Never(AN_OBJECT)),
    ("command_packer", Takes::Never(AN_OBJECT)),
    ("event_dispatcher", Takes::Never(AN_OBJECT)),
    ("socket_keepalive_options", Takes::Never(AN_OBJECT)),
    ("socket_type", Takes::Never(AN_OBJECT)),
    ("socket_read_size", Takes::Never("redis-py 6 hands the text to recv() and fails")),
    ("ssl_password", Takes::Never("an encrypted key cannot be used yet: decrypt it into a file of its own")),
    ("ssl_ca_path", Takes::Never("name one file with ssl_ca_certs")),
    ("ssl_ca_data", Takes::Never("name a file with ssl_ca_certs")),
    ("ssl_min_version", Takes::Never(NOT_YET)),
    ("ssl_ciphers", Takes::Never(NOT_YET)),
    ("ssl_validate_ocsp", Takes::Never(NOT_YET)),
    ("ssl_validate_ocsp_stapled", Takes::Never(NOT_YET)),
    ("ssl_ocsp_context", Takes::Never(AN_OBJECT)),
    ("ssl_ocsp_expected_cert", Takes::Never(NOT_YET)),
];

/// Schemes that are Redis's, and that cannot be opened yet.
const LATER: &[&str] = &[
    "redis+cluster",
    "rediss+cluster",
    "valkey+cluster",
    "valkeys+cluster",
    "redis+sentinel",
    "rediss+sentinel",
    "valkey+sentinel",
    "valkeys+sentinel",
    "sentinel",
];

/// What to say of a Redis scheme that is none of the table's, if `scheme` is one.
#[must_use]
pub fn not_yet(scheme: &str) -> Option<UrlError> {
    let sentence = "Redis Cluster and Sentinel are not supported yet: name one server, as redis://HOST:PORT/DB";
    LATER.contains(&scheme).then(|| UrlError::new(sentence))
}

/// Reads a Redis URL of any of the schemes that the tables of backends give to Redis.
///
/// # Errors
/// When it is malformed, or redis-py would silently read something else than what it says.
pub fn parse(text: &str) -> Result<Target, UrlError> {
    let url = Url::parse(text)?;
    let Authority { user: username, password, address, path } = Authority::of(&url, text)?;
    if !text.starts_with(&url.scheme) {
        let sentence = format!("write the scheme `{}` in lower case: redis-py refuses it so", url.scheme);
        return Err(UrlError::new(sentence));
    }
    if address.contains(',') {
        return Err(UrlError::new("a list of hosts is a cluster or sentinels, which are not supported yet: name one"));
    }
    let unix = url.scheme.ends_with("unix");
    let mut target = Target {
        place: match unix {
            true => net::socket(address, path, "redis+unix:///PATH?db=N")?,
            false => net::host_and_port(address, matches!(url.scheme.as_str(), "rediss" | "valkeys"), 6379)?,
        },
        db: 0,
        username: None,
        password: None,
        resp3: false,
        tls: Tls::default(),
    };
    let db = parameters(&url.query, &mut target)?;
    target.db = match db {
        Some(db) => db,
        None if unix => 0,
        None => database(path)?,
    };
    // As in redis-py, the user information has the last word, and what is empty is absent.
    target.username = some(percent_decode_text(username)?).or(target.username);
    target.password = some(percent_decode_text(password)?).or(target.password);
    Ok(target)
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// The path's database: `/3`. redis-py takes all slashes out and makes 0 of what is no number.
fn database(path: &str) -> Result<u32, UrlError> {
    let name = path.strip_prefix('/').unwrap_or(path);
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() {
        return if path.len() < 2 { Ok(0) } else { Err(UrlError::new("the path is no database: write /0")) };
    }
    if let Some(db) = number(name) {
        return Ok(db);
    }
    let joined = name.replace('/', "");
    Err(UrlError::new(match number(&joined) {
        Some(db) => {
            format!("`{path}` is database {db} to redis-py, which drops the slashes: write /{db} if that is meant")
        }
        None => format!("`{path}` is no database number; redis-py would silently take database 0: write /0"),
    }))
}

/// Redis counts databases in 31 bits.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|db| digits && *db <= i32::MAX.unsigned_abs())
}

/// Reads the query into `target`; the database is handed back, because it wins over the path.
fn parameters(query: &[(String, String)], target: &mut Target) -> Result<Option<u32>, UrlError> {
    let mut db = None;
    for (at, (name, value)) in query.iter().enumerate() {
        let Some((name, takes)) = PARAMETERS.iter().find(|(known, _)| known == name) else {
            let works = |takes: &Takes| !matches!(takes, Takes::Never(_));
            let names: Vec<&str> = PARAMETERS.iter().filter(|row| works(&row.1)).map(|row| row.0).collect();
            return Err(UrlError::unknown("parameter", name, &names));
        };
        let wrong = |why: &str| UrlError::new(format!("`{name}` in the URL: {why}"));
        if query[..at].iter().any(|(before, _)| before == name) {
            return Err(wrong("it is there twice, and redis-py takes the first"));
        }
        if value.is_empty() {
            return Err(wrong("it is blank, which redis-py takes for absent: leave it out"));
        }
        if percent_decode(value).map_or(value.contains('%'), |again| again != value.as_bytes()) {
            return Err(wrong("redis-py 6 decodes its `%` twice and redis-py 8 once: choose a value without one"));
        }
        if name.starts_with("ssl_") && !matches!(target.place, Place::Tls(..)) {
            return Err(wrong("it needs the scheme rediss://"));
        }
        match takes {
            Takes::Db => match number(value) {
                Some(number) => db = Some(number),
                None => return Err(wrong("not the number of a database")),
            },
            Takes::Protocol if value == "2" || value == "3" => target.resp3 = value == "3",
            Takes::Protocol => return Err(wrong("expected 2 or 3")),
            Takes::Username => target.username = Some(value.clone()),
            Takes::Password => target.password = Some(value.clone()),
            Takes::Trust => target.tls.take(name, value).map_err(wrong)?,
            Takes::Switch => drop(net::switch(value).map_err(wrong)?),
            Takes::Count if value.parse::<u32>().is_ok() && !value.starts_with('+') => {}
            Takes::Count => return Err(wrong("expected a number")),
            Takes::Seconds if value.parse::<f64>().is_ok_and(|s| s > 0.0 && s < 1e9) => {}
            Takes::Seconds => return Err(wrong("expected seconds, such as 0.5")),
            Takes::Text => {}
            Takes::Only(values, _) if values.contains(&value.to_ascii_lowercase().as_str()) => {}
            Takes::Only(_, why) | Takes::Never(why) => return Err(wrong(why)),
        }
    }
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        parse(url).err().unwrap_or_else(|| panic!("{url} is accepted")).to_string()
    }

    #[test]
    fn a_url_says_where_and_as_whom() {
        for (url, place, db, username, password) in [
            ("redis://", Place::Tcp("localhost".into(), 6379), 0, None, None),
            ("redis://H:7/3", Place::Tcp("h".into(), 7), 3, None, None),
            ("valkey://h/3?db=5", Place::Tcp("h".into(), 6379), 5, None, None),
            ("rediss://[::1]:9/", Place::Tls("::1".into(), 9), 0, None, None),
            ("valkeys://:p%40w@h", Place::Tls("h".into(), 6379), 0, None, Some("p@w")),
            ("redis://u@h", Place::Tcp("h".into(), 6379), 0, Some("u"), None),
            ("redis://u:p@w@h?username=x", Place::Tcp("h".into(), 6379), 0, Some("u"), Some("p@w")),
            ("redis+unix:///a%20b.sock?db=2", Place::Unix("/a b.sock".into()), 2, None, None),
            ("unix://u:p@/a@b.sock", Place::Unix("/a@b.sock".into()), 0, Some("u"), Some("p")),
        ] {
            let target = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((target.place, target.db), (place, db), "{url}");
            assert_eq!((target.username.as_deref(), target.password.as_deref()), (username, password), "{url}");
        }
    }

    #[test]
    fn what_redis_py_reads_otherwise_is_refused_with_the_reason() {
        for (url, says) in [
            ("redis://h/1/2", "is database 12 to redis-py"),
            ("redis://h/abc", "silently take database 0"),
            ("redis://h?db=x", "not the number of a database"),
            ("redis://h?db=-1", "not the number of a database"),
            ("redis://h/2147483648", "no database number"),
            ("redis://h?decode_responses=False", "any text as true"),
            ("redis://h?encoding=latin-1", "bytes of every key"),
            ("redis://h?socket_keepalive=off", "any other text for true"),
            ("redis://h?db=", "blank"),
            ("redis://h?db=1&db=2", "twice"),
            ("redis://h?client_name=a%2525", "decodes its `%` twice"),
            ("Redis://h", "lower case"),
            ("redis:/x", "goes on with `//`"),
            ("redis://h?dbb=1", "did you mean `db`?"),
            ("redis://h?ssl_cert_reqs=none", "rediss://"),
            ("redis://h:0", "1 to 65535"),
            ("redis://h:65536", "1 to 65535"),
            ("redis://[::1]7", "1 to 65535"),
            ("redis://a:1,b:2/0", "not supported yet"),
            ("redis://[h]:7", "not an IPv6 address"),
            ("redis://[::1", "needs its `]`"),
            ("redis://[::1]7:8", "1 to 65535"),
            ("redis://a b", "the host has characters"),
            ("redis://h/0#x", "%23"),
            ("unix://relative/path", "third `/`"),
            ("unix://", "no socket is named"),
            ("redis://h?timeout=3", "--timeout"),
        ] {
            assert!(error(url).contains(says), "{url}: {}", error(url));
        }
    }

    #[test]
    fn no_error_repeats_a_part_of_a_password() {
        for url in [
            "redis://u:s3cret/s3cret@h",
            "redis://u:s3cret?s3cret@h",
            "redis://u:12?s3cret@h",
            "redis://u:12/s3cret@h/0",
            "redis://u:s3cret#s3cret@h",
            "redis://u:s3cret%zz@h",
            "redis://u:s3cret@h?password=s3cret%25",
            "redis://:s3cret:s3cret",
            "redis://u:12@s3cret!",
        ] {
            assert!(!error(url).contains("s3cret"), "{url}: {}", error(url));
        }
    }
}

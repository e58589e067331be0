//! What a Redis URL says, in redis-py's grammar and without its traps.
//!
//! An application's URL must reach the same server, database and user here as it does there, so
//! redis-py 6.4 (`redis/connection.py`, `parse_url`) decides what a part means. Where redis-py reads
//! something else than what is written (`/1/2` is database 12, `/abc` is 0, `decode_responses=False`
//! is true), the URL is refused with a sentence that says so. No part of a URL that may belong to a
//! password is repeated in an error. Nothing is connected or looked up here.

use crate::backend::net::{self, Authority, Place, TRUST, Tls};
use crate::url::{Url, UrlError, percent_decode, percent_decode_text};

/// Where to connect, and as whom. Has no `Debug`: it holds a password.
#[derive(Clone)]
pub struct Target {
    /// The server's address. Of several that the URL names the first; behind sentinels theirs, until they are asked.
    pub place: Place,
    /// What the address is one of.
    pub topology: Topology,
    /// Whether to read from a node of a cluster although it is a replica.
    pub readonly: bool,
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

/// How servers stand to one another.
#[derive(Clone)]
pub enum Topology {
    /// One server, as far as the URL says.
    Single,
    /// Nodes of a cluster: any that answers tells of the others.
    Cluster(Vec<Place>),
    /// A service whose primary sentinels know.
    Sentinel(Sentinels),
}

/// Who knows the primary of a service. Has no `Debug`: it holds a password.
#[derive(Clone)]
pub struct Sentinels {
    /// Where they are.
    pub places: Vec<Place>,
    /// What they call the primary and its replicas.
    pub service: String,
    /// Their own ACL user.
    pub username: Option<String>,
    /// Their own password.
    pub password: Option<String>,
    /// What the URL says of their certificates.
    pub tls: Tls,
}

impl Target {
    /// What is to be trusted, all of it.
    ///
    /// # Errors
    /// When checks are switched off and `insecure` does not confirm it.
    pub fn check(&self, insecure: bool) -> Result<(), UrlError> {
        self.tls.check(insecure)?;
        match &self.topology {
            Topology::Sentinel(sentinels) => sentinels.tls.check(insecure),
            _ => Ok(()),
        }
    }
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
    /// It is for sentinels, and ours: redis-py takes no URL of theirs.
    Sentinel,
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

/// What redis-py 6.4 takes in a URL: the arguments of its connection classes and of its pool. What begins with
/// `sentinel_` is for the sentinels.
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
    ("sentinel_username", Takes::Sentinel),
    ("sentinel_password", Takes::Sentinel),
    ("sentinel_ssl", Takes::Sentinel),
    ("sentinel_ssl_cert_reqs", Takes::Sentinel),
    ("sentinel_ssl_check_hostname", Takes::Sentinel),
    ("sentinel_ssl_ca_certs", Takes::Sentinel),
    ("sentinel_ssl_certfile", Takes::Sentinel),
    ("sentinel_ssl_keyfile", Takes::Sentinel),
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

/// How the URL of a cluster and that of sentinels look, for errors.
const LISTS: &str = "redis+cluster://HOST:PORT,HOST:PORT for a cluster, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE \
                     for what sentinels watch";

/// The usual ports of a server and of a sentinel.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

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
    let (name, group) = url.scheme.split_once('+').unwrap_or((&url.scheme, ""));
    let tls = matches!(name, "rediss" | "valkeys");
    if address.contains(',') && !matches!(group, "cluster" | "sentinel") {
        return Err(UrlError::new(format!("one server has one address: {LISTS}")));
    }
    let unix = url.scheme.ends_with("unix");
    let places = match (unix, group) {
        (true, _) => vec![net::socket(address, path, "redis+unix:///PATH?db=N")?],
        (_, "sentinel") => places(address, tls, SENTINEL_PORT)?,
        _ => places(address, tls, PORT)?,
    };
    let (service, path) = match group {
        "sentinel" => service(path)?,
        _ => (String::new(), path),
    };
    let mut target = Target {
        place: places[0].clone(),
        topology: match group {
            "cluster" => Topology::Cluster(places),
            "sentinel" => {
                let (username, password) = (None, None);
                Topology::Sentinel(Sentinels { places, service, username, password, tls: Tls::default() })
            }
            _ => Topology::Single,
        },
        readonly: false,
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
    match &mut target.topology {
        Topology::Cluster(_) if target.db != 0 => Err(UrlError::new("a cluster has database 0 only: leave it out")),
        Topology::Sentinel(sentinels) => {
            of_sentinels(&url.query, sentinels, &target.tls)?;
            Ok(target)
        }
        _ => Ok(target),
    }
}

/// The addresses of a list, of which there is one at least.
fn places(list: &str, tls: bool, usual: u16) -> Result<Vec<Place>, UrlError> {
    let blank = list.contains(',') && list.split(',').any(str::is_empty);
    if blank {
        return Err(UrlError::new("an address in the list is empty: write HOST:PORT,HOST:PORT"));
    }
    list.split(',').map(|address| net::host_and_port(address, tls, usual)).collect()
}

/// The service that the path begins with, and the rest of it.
fn service(path: &str) -> Result<(String, &str), UrlError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (service, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    match percent_decode_text(service)? {
        service if service.is_empty() => {
            let told = "the sentinels' name for the primary is missing: redis+sentinel://HOST:PORT/SERVICE";
            Err(UrlError::new(told))
        }
        service => Ok((service, rest)),
    }
}

/// Reads what the query says of the sentinels themselves: they are spoken to as the server is, unless it says how.
fn of_sentinels(query: &[(String, String)], sentinels: &mut Sentinels, server: &Tls) -> Result<(), UrlError> {
    let mut own = false;
    for (name, value) in query {
        let wrong = |why: &str| UrlError::new(format!("`{name}` in the URL: {why}"));
        match name.strip_prefix("sentinel_") {
            Some("username") => sentinels.username = Some(value.clone()),
            Some("password") => sentinels.password = Some(value.clone()),
            Some("ssl") => {
                let tls = net::switch(value).map_err(wrong)?;
                sentinels.places.iter_mut().for_each(|place| secure(place, tls));
            }
            Some(parameter) => {
                let known = TRUST.iter().find(|known| **known == parameter);
                sentinels.tls.take(known.ok_or_else(|| wrong("it is none of TLS"))?, value).map_err(wrong)?;
                own = true;
            }
            None => {}
        }
    }
    if !own {
        sentinels.tls = server.clone();
    } else if !matches!(sentinels.places[0], Place::Tls(..)) {
        return Err(UrlError::new(
            "`sentinel_ssl_…` in the URL: it needs sentinel_ssl=true, or the scheme rediss+sentinel",
        ));
    }
    Ok(())
}

fn secure(place: &mut Place, tls: bool) {
    if let Place::Tcp(host, port) | Place::Tls(host, port) = place {
        let (host, port) = (std::mem::take(host), *port);
        *place = if tls { Place::Tls(host, port) } else { Place::Tcp(host, port) };
    }
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
            Takes::Sentinel if matches!(target.topology, Topology::Sentinel(_)) => {}
            Takes::Sentinel => return Err(wrong("it needs the scheme redis+sentinel:// or rediss+sentinel://")),
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
    fn a_list_of_addresses_is_a_cluster_or_sentinels() {
        let target = parse("rediss+cluster://u:p@a:1,[::1]:2,c").unwrap();
        let Topology::Cluster(places) = target.topology else { panic!("a cluster") };
        let tls = |host: &str, port| Place::Tls(host.into(), port);
        assert_eq!(places, [tls("a", 1), tls("::1", 2), tls("c", 6379)]);
        assert_eq!((target.username.as_deref(), target.password.as_deref()), (Some("u"), Some("p")));

        let sentinels = |url: &str| match parse(url).unwrap() {
            Target { topology: Topology::Sentinel(sentinels), db, password, .. } => (sentinels, db, password),
            _ => panic!("{url}: sentinels"),
        };
        let (told, db, password) = sentinels("redis+sentinel://:p@a:1,b/my%2Fservice/3?sentinel_password=q");
        assert_eq!(told.places, [Place::Tcp("a".into(), 1), Place::Tcp("b".into(), 26379)]);
        assert_eq!((told.service.as_str(), db, password.as_deref()), ("my/service", 3, Some("p")));
        assert_eq!((told.username, told.password.as_deref()), (None, Some("q")));
        let (told, ..) = sentinels("rediss+sentinel://a/s?ssl_ca_certs=/ca&sentinel_ssl=false");
        assert_eq!((told.places, told.tls.ca), (vec![Place::Tcp("a".into(), 26379)], Some("/ca".into())));
        let (told, ..) = sentinels("redis+sentinel://a/s?sentinel_ssl=true&sentinel_ssl_ca_certs=/ca");
        assert_eq!((told.places, told.tls.ca), (vec![tls("a", 26379)], Some("/ca".into())));
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
            ("redis://a:1,b:2/0", "redis+cluster://"),
            ("redis+cluster://a:1,,b:2", "is empty"),
            ("redis+cluster://a:1,b:2/3", "database 0 only"),
            ("redis+cluster://a?sentinel_ssl=true", "redis+sentinel://"),
            ("redis+sentinel://a:1,b:2", "name for the primary is missing"),
            ("redis+sentinel://a:1//0", "name for the primary is missing"),
            ("redis+sentinel://a:1/s/x", "silently take database 0"),
            ("redis+sentinel://a/s?sentinel_ssl_ca_certs=/c", "sentinel_ssl=true"),
            ("redis+sentinel://a/s?sentinel_ssl=maybe", "expected true or false"),
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

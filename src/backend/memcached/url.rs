//! What a memcached URL says: `memcached://[USER:PASSWORD@]HOST[:PORT]`, `memcacheds://` under TLS,
//! `memcached+unix://[USER:PASSWORD@]/PATH`. Nothing is connected or looked up here.

use crate::backend::net::{self, Authority, Place, TRUST, Tls};
use crate::url::{Url, UrlError, percent_decode_text};

/// Where to connect, and as whom. Has no `Debug`: it holds a password.
#[derive(Clone)]
pub struct Target {
    /// The server's address.
    pub place: Place,
    /// User and password, where the server wants them.
    pub login: Option<(String, String)>,
    /// What the URL says of certificates.
    pub tls: Tls,
}

/// The port that memcached listens on when nobody says otherwise.
const PORT: u16 = 11211;

/// Reads a URL of any of memcached's schemes.
///
/// # Errors
/// When it is malformed.
pub fn parse(text: &str) -> Result<Target, UrlError> {
    let url = Url::parse(text)?;
    let Authority { user, password, address, path } = Authority::of(&url, text)?;
    let secure = url.scheme == "memcacheds";
    let place = if url.scheme.ends_with("unix") {
        net::socket(address, path, "memcached+unix:///PATH")?
    } else if address.contains(',') {
        return Err(UrlError::new(
            "a list of hosts is shared by a client's own rule, which is not known here: name one",
        ));
    } else if !matches!(path, "" | "/") {
        return Err(UrlError::new("memcached has no databases: leave out what follows the host and the port"));
    } else {
        net::host_and_port(address, secure, PORT)?
    };
    let login = match (percent_decode_text(user)?, percent_decode_text(password)?) {
        (user, password) if user.is_empty() && password.is_empty() => None,
        (user, password) if user.is_empty() || password.is_empty() => {
            return Err(UrlError::new("memcached's login is a user and a password: memcached://USER:PASSWORD@HOST"));
        }
        (user, password) => Some((user, password)),
    };
    let mut tls = Tls::default();
    for (at, (name, value)) in url.query.iter().enumerate() {
        let known = TRUST.iter().find(|known| *known == name);
        let known = known.ok_or_else(|| UrlError::unknown("parameter", name, TRUST))?;
        let wrong = |why: &str| UrlError::new(format!("`{name}` in the URL: {why}"));
        match () {
            () if url.query[..at].iter().any(|(before, _)| before == name) => return Err(wrong("it is there twice")),
            () if value.is_empty() => return Err(wrong("it is blank: leave it out")),
            () if !secure => return Err(wrong("it needs the scheme memcacheds://")),
            () => tls.take(known, value).map_err(wrong)?,
        }
    }
    Ok(Target { place, login, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_as_whom() {
        let ada = || Some(("ada".to_owned(), "p@w".to_owned()));
        for (url, place, login) in [
            ("memcached://", Place::Tcp("localhost".into(), PORT), None),
            ("memcached://H:7/", Place::Tcp("h".into(), 7), None),
            ("memcacheds://[::1]", Place::Tls("::1".into(), PORT), None),
            ("memcached://ada:p%40w@h", Place::Tcp("h".into(), PORT), ada()),
            ("memcached+unix:///a%20b.sock", Place::Unix("/a b.sock".into()), None),
            ("memcached+unix://ada:p%40w@/a.sock", Place::Unix("/a.sock".into()), ada()),
        ] {
            let target = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((target.place, target.login), (place, login), "{url}");
        }
        let target =
            parse("memcacheds://h?ssl_ca_certs=/ca.pem&ssl_check_hostname=no").unwrap_or_else(|e| panic!("{e}"));
        let tls = Tls { ca: Some("/ca.pem".into()), unchecked: Some("ssl_check_hostname"), ..Tls::default() };
        assert_eq!(target.tls, tls);
    }

    #[test]
    fn what_means_nothing_is_refused_without_a_secret() {
        for (url, says) in [
            ("memcached:h", "goes on with `//`"),
            ("memcached://h/0", "no databases"),
            ("memcached://a:1,b:2", "name one"),
            ("memcached://h:0", "1 to 65535"),
            ("memcached://:s3cret@h", "a user and a password"),
            ("memcached://ada@h", "a user and a password"),
            ("memcached://u:s3cret#@h", "%23"),
            ("memcached://u:s3cret/@h", "%2F"),
            ("memcached://h?ssl_ca_certs=x", "memcacheds://"),
            ("memcacheds://h?ssl_ca_certs=x&ssl_ca_certs=y", "twice"),
            ("memcacheds://h?ssl_ca_cert=x", "did you mean `ssl_ca_certs`?"),
            ("memcacheds://h?ssl_cert_reqs=maybe", "expected required"),
            ("memcached+unix://relative/path", "third `/`"),
            ("memcached+unix://", "no socket is named"),
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} is accepted")).to_string();
            assert!(error.contains(says) && !error.contains("s3cret"), "{url}: {error}");
        }
    }
}

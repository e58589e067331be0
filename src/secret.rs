//! The one place that takes secrets out of text, and puts one into a URL.
//!
//! Every URL that is shown (errors, `inspect`, `config show`) goes through [`redact`] first.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// A text that no message shows, not even one for who looks for a bug.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    #[must_use]
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// One that a file or a program ends with a line end.
    ///
    /// # Errors
    /// What is wrong with it, without it.
    pub fn of_line(mut bytes: Vec<u8>) -> Result<Secret, &'static str> {
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            bytes.pop_if(|byte| *byte == b'\r');
        }
        match String::from_utf8(bytes) {
            Ok(text) if text.is_empty() => Err("the password is empty"),
            Ok(text) if text.contains(['\n', '\0']) => Err("there is more than one line, and the password is one"),
            Ok(text) => Ok(Secret(text)),
            Err(_) => Err("the password is not UTF-8"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The mode of a file that others than its owner can read, or write.
#[must_use]
pub fn too_open(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Whether there is a password in `url`, for whatever it is.
#[must_use]
pub fn holds_password(url: &str) -> bool {
    hide(url, |name, _| names_password(name)) != url
}

/// Whether `url` has the password to log in with: others (`sentinel_password`) are for something else.
#[must_use]
pub fn holds_login(url: &str) -> bool {
    let (head, query) = url.split_once('?').unwrap_or((url, ""));
    let named = |pair: &str| pair.to_ascii_lowercase().starts_with("password=");
    holds_password(head) || query.split('&').any(named)
}

/// Whether `url` names a user.
#[must_use]
pub fn names_user(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| rest[..authority_len(rest)].contains('@'))
}

fn authority_len(rest: &str) -> usize {
    rest.find(['/', '?']).unwrap_or(rest.len())
}

/// `url`, which holds no login, with a password: for who parses it, and nobody else.
#[must_use]
pub fn with_password(url: &str, Secret(password): &Secret) -> String {
    // What has no authority is malformed, and who parses it says so.
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let mut encoded = String::new();
    for byte in password.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    let (authority, path) = rest.split_at(authority_len(rest));
    match authority.rsplit_once('@') {
        Some((user, host)) => format!("{scheme}://{user}:{encoded}@{host}{path}"),
        None => format!("{scheme}://:{encoded}@{authority}{path}"),
    }
}

/// `url` with the password of its authority, and any parameter that may be one, replaced by `***`.
///
/// Works on text that is not a well-formed URL too: a message about a broken URL is where a
/// password leaks first.
#[must_use]
pub fn redact(url: &str) -> String {
    hide(url, may_be_password)
}

fn hide(url: &str, is_secret: fn(&str, &str) -> bool) -> String {
    // An unescaped `?` in a password would end the URL's head too early: where only the query has
    // an `@`, hiding too much is the safe reading.
    let cut = url.find('?').filter(|cut| url[..*cut].contains('@') || !url[*cut..].contains('@'));
    let Some(cut) = cut else { return redact_authority(url) };
    let hide_parameter = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if is_secret(name, value) => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let parameters: Vec<String> = url[cut + 1..].split('&').map(hide_parameter).collect();
    format!("{}?{}", redact_authority(&url[..cut]), parameters.join("&"))
}

/// A message in which a URL may stand that somebody typed in a wrong place.
#[must_use]
pub fn redact_all(text: &str) -> String {
    let word = |word: &str| if word.contains("://") { redact_word(word) } else { word.to_owned() };
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

/// What is around a URL in a message (quotes, the line end) stays.
fn redact_word(word: &str) -> String {
    let end = word.trim_end_matches(|c: char| c.is_whitespace() || "'`\",;".contains(c)).len();
    format!("{}{}", redact(&word[..end]), &word[end..])
}

/// The last `@` ends the user information: an unescaped `@` or `/` in a password stays hidden.
fn redact_authority(head: &str) -> String {
    let start = head.find("://").map_or(0, |at| at + 3);
    let Some(at) = head.rfind('@').filter(|at| *at >= start) else { return head.to_owned() };
    match head[start..at].find(':') {
        Some(colon) => format!("{}:***{}", &head[..start + colon], &head[at..]),
        None => head.to_owned(),
    }
}

/// What stands in the names of parameters whose values are no secrets.
const SHOWN: [&str; 5] = ["user", "ssl", "tls", "host", "protocol"];

fn names_password(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["password", "pass", "passwd", "pw"].iter().any(|word| lower.ends_with(word))
}

/// What somebody meant by a name that is misspelt, nobody knows.
fn may_be_password(name: &str, value: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_harmless = SHOWN.iter().any(|word| lower.contains(word)) || value.len() < 6 || value.parse::<f64>().is_ok();
    names_password(name) || !is_harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_where_a_url_has_it() {
        let secret = Secret::new("p@/:w% é".to_owned());
        let encoded = "p%40%2F%3Aw%25%20%C3%A9";
        for (url, user, full) in [
            ("redis://h:1/0", false, format!("redis://:{encoded}@h:1/0")),
            ("redis://u@h?db=1", true, format!("redis://u:{encoded}@h?db=1")),
            ("redis://u@h?x=@", true, format!("redis://u:{encoded}@h?x=@")),
            ("redis+unix:///a@b.sock", false, format!("redis+unix://:{encoded}@/a@b.sock")),
            (
                "redis+sentinel://h,i:1/s?sentinel_ssl=true",
                false,
                format!("redis+sentinel://:{encoded}@h,i:1/s?sentinel_ssl=true"),
            ),
            ("redis+unix://u@/p.sock?db=2", true, format!("redis+unix://u:{encoded}@/p.sock?db=2")),
            ("redis:h", false, "redis:h".to_owned()),
        ] {
            assert_eq!(with_password(url, &secret), full);
            assert_eq!((names_user(url), holds_password(url)), (user, false), "{url}");
            assert_eq!(holds_password(&full), full.contains("://"), "{full}");
        }
        assert_eq!(format!("{secret:?}"), "***");
        for (url, login) in [
            ("redis://h?password=x", true),
            ("redis://u:x@h", true),
            ("redis+sentinel://h/s?sentinel_password=x", false),
            ("redis+sentinel://u:y@h/s?sentinel_password=x", true),
        ] {
            assert_eq!((holds_password(url), holds_login(url)), (true, login), "{url}");
        }
        for url in ["redis://h?client_name=my-worker", "zstd:?compression-level=highest"] {
            assert!(!holds_password(url) && redact(url).ends_with("=***"), "{url}: hidden, and no login");
        }
    }

    #[test]
    fn a_message_keeps_all_but_the_password() {
        let text = "unrecognized subcommand 'redis://u:s3cret@h/0'\n\n  tip: `a@b:c`";
        assert_eq!(redact_all(text), "unrecognized subcommand 'redis://u:***@h/0'\n\n  tip: `a@b:c`");
    }

    #[test]
    fn no_password_survives() {
        for (url, shown) in [
            ("redis://h/0", "redis://h/0"),
            ("redis://:s3cret@h:1/0", "redis://:***@h:1/0"),
            ("redis://u:s3cret@h", "redis://u:***@h"),
            ("redis://u:s3/c@ret@h", "redis://u:***@h"),
            ("redis://u:s?cret@h", "redis://u:***"),
            ("redis+unix://u:s3cret@/p.sock?db=2", "redis+unix://u:***@/p.sock?db=2"),
            ("unix:///p?username=u&password=s3cret", "unix:///p?username=u&password=***"),
            ("rediss://h?ssl_password=s3cret&db=1", "rediss://h?ssl_password=***&db=1"),
            ("redis://h?pasword=s3cret&protocol=3", "redis://h?pasword=***&protocol=3"),
            ("disk:///a@b/c", "disk:///a@b/c"),
        ] {
            let redacted = redact(url);
            if shown.ends_with("***") {
                assert!(!redacted.contains("cret"), "{redacted}");
            } else {
                assert_eq!(redacted, shown);
            }
        }
    }
}

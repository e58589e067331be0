//! What the backend, serializer and layout URLs share: scheme, rest, query, and the errors.
//!
//! Small on purpose: what stands between the scheme and the query means something else in each of
//! the three, so it stays text here. It knows no scheme and no parameter.

use std::fmt;

/// `scheme:[//]rest[?query]`, taken apart but not interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Lower-cased, without the colon.
    pub scheme: String,
    /// What stands between the scheme's colon (and slashes) and the query, still percent-encoded.
    pub rest: String,
    /// Whether `//` followed the colon.
    pub slashes: bool,
    /// The query's pairs in order, percent-decoded; `+` is a space, as in a form.
    pub query: Vec<(String, String)>,
}

impl Url {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// When there is no scheme, or a percent escape in the query is not one.
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        let Some((scheme, after)) = text.split_once(':') else {
            return Err(UrlError::new(format!("`{text}` has no scheme: a URL starts with `name:`")));
        };
        let (rest, query) = after.split_once('?').unwrap_or((after, ""));
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((form_decode(name)?, form_decode(value)?));
        }
        let slashes = rest.starts_with("//");
        let rest = rest.strip_prefix("//").unwrap_or(rest).to_owned();
        Ok(Url { scheme: scheme.to_ascii_lowercase(), rest, slashes, query: pairs })
    }
}

/// Percent-decodes `text`, to bytes because a namespace or a path may be any.
///
/// # Errors
/// When a `%` is not followed by two hexadecimal digits.
pub fn percent_decode(text: &str) -> Result<Vec<u8>, UrlError> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = text.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
            let byte = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            out.push(byte.ok_or_else(|| {
                UrlError::new("a `%` in a URL must be followed by two hex digits; write `%25` for a percent sign")
            })?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Ok(out)
}

/// [`percent_decode`], for the parts that are text.
///
/// # Errors
/// When an escape is malformed or the result is not UTF-8.
pub fn percent_decode_text(text: &str) -> Result<String, UrlError> {
    String::from_utf8(percent_decode(text)?)
        .map_err(|_| UrlError::new("a percent-encoded part of the URL is not UTF-8"))
}

fn form_decode(text: &str) -> Result<String, UrlError> {
    percent_decode_text(&text.replace('+', " "))
}

/// A URL, or a part of one, that means nothing here. A usage error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    message: String,
}

impl UrlError {
    /// An error with a sentence of its own.
    #[must_use]
    pub fn new(message: impl Into<String>) -> UrlError {
        UrlError { message: message.into() }
    }

    /// `name` is none of `names`: says which there are, and which was probably meant.
    #[must_use]
    pub fn unknown(what: &str, name: &str, names: &[&str]) -> UrlError {
        let hint = match nearest(name, names) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        };
        if names.is_empty() {
            return UrlError::new(format!("unknown {what} `{name}`: none is taken here"));
        }
        UrlError::new(format!("unknown {what} `{name}`: expected one of {}{hint}", names.join(", ")))
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UrlError {}

/// The one of `names` that `name` is probably a slip of.
#[must_use]
pub fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let score = |candidate: &str| strsim::jaro_winkler(&lower, candidate);
    names.iter().copied().filter(|candidate| score(candidate) > 0.75).max_by(|a, b| score(a).total_cmp(&score(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = Url::parse("Pickle+ZSTD://?a=1&b=x%20y+z&&c").unwrap();
        assert_eq!((url.scheme.as_str(), url.rest.as_str(), url.slashes), ("pickle+zstd", "", true));
        let pairs: Vec<(&str, &str)> = url.query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x y z"), ("c", "")]);
        assert_eq!(Url::parse("disk:").unwrap().rest, "");
        assert_eq!(Url::parse("disk:///a/b").unwrap().rest, "/a/b");
        assert!(Url::parse("pickle").is_err());
        assert!(Url::parse("a://?b=%zz").is_err());
        assert!(percent_decode("%é1").is_err());
    }

    #[test]
    fn a_slip_is_recognised() {
        assert_eq!(nearest("pickel", &["json", "pickle"]), Some("pickle"));
        assert_eq!(nearest("qqq", &["json", "pickle"]), None);
    }
}

//! The one place that takes secrets out of text.
//!
//! Every URL that is shown (errors, `--verbose`, `inspect`) goes through [`redact`] first.

/// `url` with the password of its authority, and any password parameter, replaced by `***`.
///
/// Works on text that is not a well-formed URL too: a message about a broken URL is where a
/// password leaks first.
#[must_use]
pub fn redact(url: &str) -> String {
    // An unescaped `?` in a password would end the URL's head too early: where only the query has
    // an `@`, hiding too much is the safe reading.
    let cut = url.find('?').filter(|cut| url[..*cut].contains('@') || !url[*cut..].contains('@'));
    let Some(cut) = cut else { return redact_authority(url) };
    let parameters: Vec<String> = url[cut + 1..].split('&').map(redact_parameter).collect();
    format!("{}?{}", redact_authority(&url[..cut]), parameters.join("&"))
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

fn redact_parameter(pair: &str) -> String {
    let name = pair.split('=').next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    if ["password", "pass", "passwd", "pw"].iter().any(|word| lower.ends_with(word)) && pair.contains('=') {
        format!("{name}=***")
    } else {
        pair.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::redact;

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

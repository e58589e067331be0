//! Stored keys: how a library names, in a backend, what the application calls by a key.
//!
//! A layout is pure: keys in, stored keys out. It holds no connection, no clock and no random
//! source. One file a library and one row in [`LAYOUTS`]; so far there is [`plain`].

mod plain;

use crate::url::{Url, UrlError, percent_decode};

pub use plain::Plain as Layout;

/// One layout.
pub struct Row {
    /// The URL scheme.
    pub name: &'static str,
    /// A URL as an example.
    pub example: &'static str,
    /// For the help.
    pub about: &'static str,
    /// The layout for a namespace, which is literal.
    pub open: fn(Vec<u8>) -> Layout,
}

/// The table of layouts.
pub const LAYOUTS: &[Row] = &[plain::ROW];

/// Reads a layout URL: `name:[//][namespace]`. `namespace`, from an option of its own, says the
/// same as the URL's.
///
/// # Errors
/// When no layout has the name, a parameter is given, or two namespaces are.
pub fn parse(text: &str, namespace: Option<&str>) -> Result<Layout, UrlError> {
    let url = Url::parse(text)?;
    let names: Vec<&str> = LAYOUTS.iter().map(|row| row.name).collect();
    let row = LAYOUTS.iter().find(|row| row.name == url.scheme);
    let row = row.ok_or_else(|| UrlError::unknown("layout", &url.scheme, &names))?;
    if let Some((name, _)) = url.query.first() {
        return Err(UrlError::unknown("parameter", name, &[]));
    }
    match namespace {
        Some(_) if !url.rest.is_empty() => {
            Err(UrlError::new(format!("the layout `{text}` has a namespace already: leave out --namespace")))
        }
        Some(namespace) => Ok((row.open)(namespace.as_bytes().to_vec())),
        None => Ok((row.open)(percent_decode(&url.rest)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::StoredKey;
    use crate::pattern::Pattern;

    #[test]
    fn a_layout_url_names_layout_and_namespace() {
        for (url, namespace, stored) in [
            ("plain:", None, "k"),
            ("plain://", None, "k"),
            ("plain://app:", None, "app:k"),
            ("plain://a%20b/", None, "a b/k"),
            ("PLAIN:", Some("p%20"), "p%20k"),
        ] {
            let layout = parse(url, namespace).unwrap();
            assert_eq!(layout.stored_key(b"k"), StoredKey::new(stored), "{url}");
        }
        for (url, namespace) in [("plian:", None), ("plain", None), ("plain://?x=1", None), ("plain://a", Some("b"))] {
            assert!(parse(url, namespace).is_err(), "{url}");
        }
        assert_eq!(parse("plain://p*:", None).unwrap().pattern(&Pattern::new("a*")).as_bytes(), b"p\\*:a*");
    }
}

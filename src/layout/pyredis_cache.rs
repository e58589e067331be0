//! The pyredis-cache layout: the operation's name and an id, each padded with zeros to ten.
//!
//! Read from pyredis-cache 0.1.3, `redis_cache/utils.py`: `"%s#%010d" % (op_name.zfill(10).upper(), ID)`.
//! Its hash client (`hash.py`) names a Redis hash so, and a field in it by the same rule. There are
//! no namespaces and no escapes, and no telling `student` from `STUDENT` or `000student`.

use std::borrow::Cow;

use super::{Error, Layout, Name, OUTSIDE, Owner, Row, Spec, Step, Sweep};
use crate::entry::StoredKey;
use crate::pattern::Pattern;
use crate::url::{UrlError, percent_decode_text};

pub(super) const ROW: Row = Row {
    schemes: &["pyredis-cache"],
    example: "pyredis-cache://OPERATION",
    about: "as pyredis-cache stores it, whose keys are ids; HASH/OPERATION has HASH_ID/ID in Redis hashes",
    open,
    recognise,
};

/// Splits before percent-decoding: `%2F` is a slash in a name.
fn open(spec: Spec) -> Result<Box<dyn Layout>, UrlError> {
    spec.no_query()?;
    let Some(rest) = spec.rest else {
        return Err(UrlError::new(
            "the name of an operation is in every key: pyredis-cache://OPERATION or pyredis-cache://HASH/OPERATION",
        ));
    };
    let (hash, operation) = match rest.split_once('/') {
        Some((hash, operation)) => (Some(Operation::new(hash)?), operation),
        None => (None, rest),
    };
    Ok(Box::new(PyredisCache { hash, operation: Operation::new(operation)? }))
}

/// An operation, and the one of the hashes that its entries are in, for the hash client.
struct PyredisCache {
    hash: Option<Operation>,
    operation: Operation,
}

/// The name of an operation, as the application gave it and as keys have it.
struct Operation {
    name: String,
    padded: String,
    upper: String,
}

/// Characters to which the library pads both parts of a key.
const WIDTH: usize = 10;

impl Operation {
    fn new(name: &str) -> Result<Operation, UrlError> {
        let name = percent_decode_text(name)?;
        if name.chars().count() <= 2 {
            return Err(UrlError::new(format!(
                "the name of an operation has more than 2 characters in pyredis-cache, and `{}` has not",
                name.escape_debug()
            )));
        }
        // `str.zfill`: a leading sign stays first.
        let (sign, rest) = name.split_at(usize::from(name.starts_with(['+', '-'])));
        let zeros = "0".repeat(WIDTH.saturating_sub(name.chars().count()));
        let padded = format!("{sign}{zeros}{rest}");
        Ok(Operation { upper: padded.to_uppercase(), padded, name })
    }

    /// One whose name is as long as the library wants it, for this one's is.
    fn within(&self, part: &str) -> Operation {
        let upper = format!("{}{}", self.upper, part.to_uppercase());
        Operation { name: format!("{}{part}", self.name), padded: format!("{}{part}", self.padded), upper }
    }

    fn prefix(&self) -> String {
        format!("{}#", self.upper)
    }

    fn key(&self, id: &str) -> Vec<u8> {
        format!("{}#{}", self.upper, padded_id(id)).into_bytes()
    }

    /// The id in a key of this operation.
    fn id(&self, key: &[u8]) -> Option<String> {
        unpadded_id(key.strip_prefix(self.prefix().as_bytes())?)
    }

    fn explain(&self, what: &str, id: &str) -> Vec<Step> {
        let steps = [
            (format!("the {what}"), self.name.clone().into_bytes()),
            ("padded with zeros to ten characters, a sign staying first".into(), self.padded.clone().into_bytes()),
            ("in upper case".into(), self.upper.clone().into_bytes()),
            (format!("the id of the {what}, a number: no zeros before it"), id.as_bytes().to_vec()),
            ("#, and the id padded with zeros to ten characters, its sign counted".into(), self.key(id)),
        ];
        steps.into_iter().map(|(what, result)| Step::new(what, result)).collect()
    }
}

/// A whole number of any size, in the digits that Python prints: no plus, no zeros before it.
fn id(text: &[u8]) -> Result<String, Error> {
    let wrong = || {
        let text = String::from_utf8_lossy(text);
        Error::new(format!("an id is a whole number in decimal, such as 12 or -3, not `{}`", text.escape_debug()))
    };
    let (sign, digits) = match text {
        [b'-', digits @ ..] => ("-", digits),
        [b'+', digits @ ..] => ("", digits),
        digits => ("", digits),
    };
    let digits = std::str::from_utf8(digits).ok().filter(|text| !text.is_empty()).ok_or_else(wrong)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok(match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("{sign}{digits}"),
    })
}

/// `"%010d"`.
fn padded_id(id: &str) -> String {
    let (sign, digits) = id.split_at(usize::from(id.starts_with('-')));
    format!("{sign}{digits:0>width$}", width = WIDTH - sign.len())
}

fn unpadded_id(padded: &[u8]) -> Option<String> {
    let id = id(padded).ok()?;
    (padded_id(&id).as_bytes() == padded).then_some(id)
}

impl PyredisCache {
    /// The hash's id, where there is a hash, and the entry's.
    fn ids(&self, key: &[u8]) -> Result<(Option<String>, String), Error> {
        if self.hash.is_none() {
            return Ok((None, id(key)?));
        }
        let slash = key.iter().position(|byte| *byte == b'/');
        let slash = slash.ok_or_else(|| Error::new("a key is HASH_ID/ID in this layout, such as 3/12"))?;
        Ok((Some(id(&key[..slash])?), id(&key[slash + 1..])?))
    }
}

impl Layout for PyredisCache {
    fn within(&self, part: &str) -> Box<dyn Layout> {
        let (hash, operation) = (self.hash.as_ref().map(|hash| hash.within(part)), self.operation.within(part));
        Box::new(PyredisCache { hash, operation })
    }

    fn locate(&self, name: &Name, _: &[Option<Vec<u8>>]) -> Result<Option<StoredKey>, Error> {
        let (hash_id, id) = self.ids(&name.key)?;
        let entry = self.operation.key(&id);
        Ok(Some(match self.hash.as_ref().zip(hash_id) {
            Some((hash, hash_id)) => StoredKey { key: hash.key(&hash_id), field: Some(entry) },
            None => StoredKey::new(entry),
        }))
    }

    fn explain(&self, name: &Name, _: &[Option<Vec<u8>>]) -> Result<Vec<Step>, Error> {
        let (hash_id, id) = self.ids(&name.key)?;
        let hash = self.hash.as_ref().zip(hash_id);
        let mut steps = hash.map_or_else(Vec::new, |(hash, hash_id)| hash.explain("hash", &hash_id));
        steps.extend(self.operation.explain("operation", &id));
        Ok(steps)
    }

    fn owner(&self, stored: &StoredKey) -> Owner {
        let key = match (&self.hash, &stored.field) {
            (None, None) => self.operation.id(&stored.key),
            (Some(hash), Some(field)) => {
                let ids = hash.id(&stored.key).zip(self.operation.id(field));
                ids.map(|(hash_id, id)| format!("{hash_id}/{id}"))
            }
            _ => None,
        };
        key.map_or(Owner::Other, |key| Owner::Key(key.into_bytes()))
    }

    /// The operations that keys name, this one's and any other's.
    fn group(&self, key: &[u8]) -> Option<Cow<'static, str>> {
        let operation = std::str::from_utf8(key).ok().and_then(|key| key.rsplit_once('#')).filter(|(name, id)| {
            name.chars().count() >= WIDTH && id.len() >= WIDTH && unpadded_id(id.as_bytes()).is_some()
        });
        Some(operation.map_or(OUTSIDE.into(), |(name, _)| name.trim_start_matches('0').to_owned().into()))
    }

    /// A pattern is over ids, which are stored padded: all of the operation's keys are looked at.
    fn sweep(&self, _: &Pattern) -> Sweep {
        let all = |operation: &Operation| Pattern::all().under(operation.prefix().as_bytes());
        match &self.hash {
            Some(hash) => Sweep { keys: all(hash), fields: Some(all(&self.operation)) },
            None => Sweep { keys: all(&self.operation), fields: None },
        }
    }

    fn hash(&self, hash_id: &[u8]) -> Option<Result<StoredKey, Error>> {
        let hash = self.hash.as_ref()?;
        Some(id(hash_id).map(|hash_id| StoredKey::new(hash.key(&hash_id))))
    }
}

/// A key that the library could have made, with a zero that it padded with: without one there are
/// too many other ways to come by such a key.
fn recognise(stored: &StoredKey, _: Option<&[u8]>) -> Option<String> {
    let part = |key: &[u8]| {
        let (name, padded) = std::str::from_utf8(key).ok()?.rsplit_once('#')?;
        let unsigned = |text: &str| text.trim_start_matches(['+', '-']).starts_with('0');
        let made = name.chars().count() >= WIDTH && name == name.to_uppercase();
        let id = unpadded_id(padded.as_bytes()).filter(|_| made && (unsigned(name) || unsigned(padded)))?;
        Some(format!("{} {id}", name.trim_start_matches('0').escape_debug()))
    };
    let key = part(&stored.key)?;
    Some(match stored.field.as_deref().and_then(part) {
        Some(field) => format!("pyredis-cache, by its looks: {field} in the hash {key}"),
        None => format!("pyredis-cache, by its looks: {key}"),
    })
}

//! Requests of the meta protocol: keys, expiries and data as memcached takes them. Pure.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::backend::{Error, ErrorKind};
use crate::entry::{Condition, Expiry, Stored};

/// Bytes of a key (`KEY_MAX_LENGTH`).
pub const KEY_MOST: usize = 250;

/// Seconds from which on memcached takes a ttl for a time of day (`REALTIME_MAXDELTA`).
pub const RELATIVE_MOST: u64 = 30 * 24 * 3600;

/// A key as a request has it: as it is, or in base64 where a line of text could not hold it.
#[derive(Clone)]
pub struct Name {
    pub text: Vec<u8>,
    base64: bool,
}

impl Name {
    pub fn of(key: &[u8]) -> Result<Name, String> {
        let plain = key.iter().all(|byte| !matches!(byte, 0..=b' ' | 0x7f));
        let text = if plain { key.to_vec() } else { BASE64_STANDARD.encode(key).into_bytes() };
        match text.len() {
            0 => Err("memcached has no empty key".to_owned()),
            1..=KEY_MOST => Ok(Name { text, base64: !plain }),
            _ if plain => Err(format!("the key has {} bytes, and memcached's have {KEY_MOST} at most", key.len())),
            _ => Err(format!(
                "the key has {} bytes, and with spaces or control characters memcached's have {} at most",
                key.len(),
                KEY_MOST / 4 * 3
            )),
        }
    }
}

/// How one entry is written.
#[derive(Clone)]
pub struct Plan {
    pub key: Name,
    pub exptime: i64,
    pub mode: char,
    /// The number of the entry that it may replace; 0 for any.
    pub cas: i64,
}

impl Plan {
    pub fn request(&self, data: &Stored) -> Vec<u8> {
        let bytes = data.as_bytes().expect("`fits` has refused all else");
        let mut flags = format!(" T{} M{}", self.exptime, self.mode);
        if self.cas != 0 {
            flags.push_str(&format!(" C{}", self.cas));
        }
        if let Stored::Flagged(client, _) = data {
            flags.push_str(&format!(" F{client}"));
        }
        let mut request = line("ms", &self.key, &format!(" {}{flags}", bytes.len()));
        request.extend_from_slice(bytes);
        request.extend_from_slice(b"\r\n");
        request
    }

    /// Whether a write by it that was not made would be made by another plan.
    pub fn may_be_stale(&self) -> bool {
        self.cas != 0 || self.mode == 'E'
    }
}

/// The mode of `ms` that holds to a condition.
pub fn mode(condition: Condition) -> char {
    match condition {
        Condition::Always => 'S',
        Condition::IfAbsent => 'E',
        Condition::IfPresent => 'R',
    }
}

/// A request of one line.
pub fn line(verb: &str, name: &Name, flags: &str) -> Vec<u8> {
    let base64 = if name.base64 { " b" } else { "" };
    [verb.as_bytes(), b" ", &name.text, flags.as_bytes(), base64.as_bytes(), b"\r\n"].concat()
}

/// An expiry as memcached counts it: 0 for never, below 0 for at once, seconds up to 30 days, and from
/// there on the time of day. It has 31 bits for that. Parts of a second are rounded up.
pub fn exptime(expiry: Expiry, now: i64) -> Result<i64, Error> {
    let at = match expiry {
        Expiry::Never | Expiry::Keep => return Ok(0),
        Expiry::In(0) => return Ok(-1),
        Expiry::In(ms) if ms.div_ceil(1000) <= RELATIVE_MOST => return Ok(ms.div_ceil(1000).cast_signed()),
        Expiry::In(ms) => now.saturating_add_unsigned(ms),
        Expiry::At(ms) if ms <= now => return Ok(-1),
        Expiry::At(ms) => ms,
    };
    let seconds = at.unsigned_abs().div_ceil(1000);
    if seconds > i32::MAX.unsigned_abs().into() {
        let message = "memcached's expiry ends at 2038-01-19T03:14:07Z, and the ttl is beyond: `never` is possible";
        return Err(Error::new(ErrorKind::Unfit, message));
    }
    Ok(seconds.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_whole_seconds_and_a_time_of_day_beyond_thirty_days() {
        let (now, month) = (1_800_000_000_500, 30 * 24 * 3_600_000);
        for (expiry, exptime_) in [
            (Expiry::Never, 0),
            (Expiry::In(0), -1),
            (Expiry::In(1), 1),
            (Expiry::In(1000), 1),
            (Expiry::In(1001), 2),
            (Expiry::In(month), 2_592_000),
            (Expiry::In(month + 1), 1_802_592_001),
            (Expiry::In(60 * 24 * 3_600_000), 1_805_184_001),
            (Expiry::At(0), -1),
            (Expiry::At(i64::MIN), -1),
            (Expiry::At(now), -1),
            (Expiry::At(now + 1), 1_800_000_001),
            (Expiry::At(i64::from(i32::MAX) * 1000), i32::MAX.into()),
        ] {
            assert_eq!(exptime(expiry, now), Ok(exptime_), "{expiry:?}");
        }
        for beyond in [Expiry::At(i64::from(i32::MAX) * 1000 + 1), Expiry::In(u64::MAX), Expiry::At(i64::MAX)] {
            assert!(exptime(beyond, now).unwrap_err().message.contains("2038"), "{beyond:?}");
        }
    }

    #[test]
    fn a_key_goes_as_it_is_or_in_base64() {
        for (key, text, base64) in [
            (&b"a:b%\xc3\xa9\xff"[..], &b"a:b%\xc3\xa9\xff"[..], false),
            (b"a b", b"YSBi", true),
            (b"\0", b"AA==", true),
            (b"a\x7f", b"YX8=", true),
        ] {
            let name = Name::of(key).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!((name.text.as_slice(), name.base64), (text, base64), "{}", key.escape_ascii());
        }
        assert!(Name::of(&[b'k'; 250]).is_ok() && Name::of(&[b' '; 186]).is_ok());
        for (key, part) in [(vec![], "empty"), (vec![b'k'; 251], "250"), (vec![b' '; 187], "186")] {
            assert!(Name::of(&key).is_err_and(|why| why.contains(part)), "{part}");
        }
    }
}

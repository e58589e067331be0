//! How bytes that name an entry are spelled in DiskCache's `key` column, and back.
//!
//! DiskCache keeps `str`, `bytes`, `int` and `float` keys as SQLite has them (`raw = 1`) and every
//! other key as an optimised pickle (`raw = 0`). A key here is bytes, so that each row is listed
//! under one name, and a name is looked up under each spelling that is listed so: text first, then
//! bytes, then the number that prints like it, then the pickle. Rows that share a name (`'a'` and
//! `b'a'`) are reached in that order. A NaN as key is `NULL` in SQLite, which equals nothing: such a
//! row cannot be reached, by Python neither, and is not listed.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// One way to spell a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spelling<'a> {
    /// A `str`.
    Text(&'a [u8]),
    /// A `bytes`.
    Blob(&'a [u8]),
    /// An `int` of 64 bits.
    Integer(i64),
    /// A `float`.
    Real(f64),
    /// Anything else.
    Pickle(&'a [u8]),
}

impl<'a> Spelling<'a> {
    /// What a new entry's key is spelled as: a `str` where it can be one.
    #[must_use]
    pub fn of_new(key: &'a [u8]) -> Spelling<'a> {
        if str::from_utf8(key).is_ok() { Spelling::Text(key) } else { Spelling::Blob(key) }
    }

    /// Every spelling that is listed as `key`, in the order in which they are looked up.
    pub fn all(key: &'a [u8]) -> impl Iterator<Item = Spelling<'a>> {
        let text = str::from_utf8(key).ok();
        let integer =
            text.and_then(|text| text.parse().ok()).filter(|number: &i64| number.to_string().as_bytes() == key);
        let real = text.and_then(|text| text.parse().ok()).filter(|number| repr(*number).as_bytes() == key);
        let numbers = [integer.map(Spelling::Integer), real.map(Spelling::Real)].into_iter().flatten();
        [Spelling::Text(key), Spelling::Blob(key)].into_iter().chain(numbers).chain([Spelling::Pickle(key)])
    }

    /// The `raw` column.
    #[must_use]
    pub fn raw(&self) -> bool {
        !matches!(self, Spelling::Pickle(_))
    }
}

impl ToSql for Spelling<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Spelling::Text(text) => ValueRef::Text(text),
            Spelling::Blob(bytes) | Spelling::Pickle(bytes) => ValueRef::Blob(bytes),
            Spelling::Integer(number) => ValueRef::Integer(number),
            Spelling::Real(number) => ValueRef::Real(number),
        }))
    }
}

/// The name that a row is listed under.
#[must_use]
pub fn name(column: ValueRef<'_>) -> Option<Vec<u8>> {
    match column {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(number) => Some(repr(number).into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
    }
}

/// A float as Python prints it: Rust's shortest digits, but an exponent has a sign and two digits.
fn repr(number: f64) -> String {
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_under_every_spelling_that_is_listed_so() {
        let check = |key: &[u8], numbers: &[Spelling<'_>]| {
            let all: Vec<Spelling<'_>> = Spelling::all(key).collect();
            assert_eq!(all[..2], [Spelling::Text(key), Spelling::Blob(key)], "{key:?}");
            assert_eq!(&all[2..all.len() - 1], numbers, "{key:?}");
            assert_eq!(all.last(), Some(&Spelling::Pickle(key)), "{key:?}");
        };
        check(b"a", &[]);
        check(b"", &[]);
        check(b"\xff", &[]);
        check(b"5", &[Spelling::Integer(5)]);
        check(b"-9223372036854775808", &[Spelling::Integer(i64::MIN)]);
        check(b"9223372036854775808", &[]);
        check(b"5.0", &[Spelling::Real(5.0)]);
        check(b"1e-05", &[Spelling::Real(1e-5)]);
        check(b"inf", &[Spelling::Real(f64::INFINITY)]);
        for odd in [&b"05"[..], b"+5", b"5.00", b"1e-5", b" 5", b"5.", b"Infinity"] {
            check(odd, &[]);
        }
    }

    #[test]
    fn floats_print_as_in_python() {
        for (number, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (1e300, "1e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(repr(number), text);
        }
    }
}

//! Integers as text, as protocols 0 and 1 write them: what CPython's C unpickler reads as which number.
//!
//! INT goes through C's `strtol` with base 0, so that `010` is eight, and through `int(text, 0)` only
//! where that stops early; LONG through `int(text, 0)` alone (`load_int` and `load_long` in
//! `Modules/_pickle.c`, `PyLong_FromString` in `Objects/longobject.c` of CPython 3.11). Both end at
//! a NUL. Decimal digits take quadratic time, so there may be as many as in Python and no more.

use num_bigint::{BigInt, BigUint, Sign};

use crate::value::scalar::DIGITS_MAX;

/// What INT says.
#[derive(Debug, PartialEq)]
pub enum Int {
    /// One of two characters, which are zero or one: how protocol 1 writes truths.
    Bool(bool),
    /// Any other.
    Integer(BigInt),
}

/// Why a text is no integer; goes on from the opcode's name.
pub type Fault = &'static str;

const NO_NUMBER: Fault = "is not a number";

/// The line of an INT.
///
/// # Errors
/// What CPython refuses.
pub fn int(line: &[u8]) -> Result<Int, Fault> {
    if line.is_empty() {
        return Err("is empty");
    }
    let Some(number) = strtol(line) else { return base_zero(line).map(Int::Integer) };
    Ok(match number {
        0 | 1 if line.len() == 2 => Int::Bool(number == 1),
        _ => Int::Integer(number.into()),
    })
}

/// The line of a LONG.
///
/// # Errors
/// What CPython refuses.
pub fn long(line: &[u8]) -> Result<BigInt, Fault> {
    if line.is_empty() {
        return Err("is empty");
    }
    base_zero(line.strip_suffix(b"L").unwrap_or(line))
}

/// C's `strtol(line, …, 0)`, where it reads all of the line and does not overflow.
fn strtol(line: &[u8]) -> Option<i64> {
    let (sign, rest) = signed(until_nul(line));
    let (digits, base) = match rest {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', _, ..] => (rest, 8),
        _ => (rest, 10),
    };
    let is_number = !digits.is_empty() && digits.iter().all(|digit| char::from(*digit).is_digit(base));
    if !is_number {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    let magnitude = i128::from(u64::from_str_radix(text, base).ok()?);
    i64::try_from(if sign == Sign::Minus { -magnitude } else { magnitude }).ok()
}

/// Python's `int(text, 0)`.
fn base_zero(text: &[u8]) -> Result<BigInt, Fault> {
    let (sign, rest) = signed(until_nul(text));
    let end = rest.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    let rest = &rest[..end];
    let (digits, base) = match rest {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', b'o' | b'O', digits @ ..] => (digits, 8),
        [b'0', b'b' | b'B', digits @ ..] => (digits, 2),
        _ => (rest, 10),
    };
    let digits = if base == 10 { digits } else { digits.strip_prefix(b"_").unwrap_or(digits) };
    if digits.split(|byte| *byte == b'_').any(<[u8]>::is_empty) {
        return Err(NO_NUMBER);
    }
    let digits: Vec<u8> = digits.iter().copied().filter(|byte| *byte != b'_').collect();
    if !digits.iter().all(|digit| char::from(*digit).is_digit(base)) {
        return Err(NO_NUMBER);
    }
    if base == 10 && digits.len() > DIGITS_MAX {
        return Err("has more than 4300 digits, which Python does not read");
    }
    if base == 10 && digits[0] == b'0' && digits.iter().any(|digit| *digit != b'0') {
        return Err(NO_NUMBER);
    }
    let magnitude = BigUint::parse_bytes(&digits, base).ok_or(NO_NUMBER)?;
    Ok(BigInt::from_biguint(sign, magnitude))
}

fn until_nul(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// Without C's white space in front, and without the sign.
fn signed(text: &[u8]) -> (Sign, &[u8]) {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    match &text[start..] {
        [b'-', rest @ ..] => (Sign::Minus, rest),
        [b'+', rest @ ..] => (Sign::Plus, rest),
        rest => (Sign::Plus, rest),
    }
}

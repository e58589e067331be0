//! The one place that indexes bytes from outside: a reader that cannot run past their end.
//!
//! Every method that takes bytes says, when there are too few, in which layer, at which byte and
//! what for. It knows lengths and byte orders, no format.

use super::Error;

/// A place in bytes that are being read.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    layer: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `bytes`; errors will name `layer`.
    #[must_use]
    pub fn new(layer: &'static str, bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { layer, bytes, at: 0 }
    }

    /// How many bytes lie behind.
    #[inline]
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The bytes ahead.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The bytes from an earlier place up to here.
    #[inline]
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    /// The next byte, left where it is.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over `count` bytes that were seen with [`Cursor::rest`] or [`Cursor::peek`].
    ///
    /// # Panics
    /// When there are fewer.
    #[inline]
    pub fn pass(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.at, "only bytes that were seen are passed over");
        self.at += count;
    }

    /// Passes over `byte` if it is the next; whether it was.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes over the bytes that `belongs` holds for; how many they were.
    #[inline]
    pub fn pass_while(&mut self, belongs: impl Fn(u8) -> bool) -> usize {
        let count = self.rest().iter().take_while(|byte| belongs(**byte)).count();
        self.at += count;
        count
    }

    /// The next `count` bytes; `what` they are goes into the error.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], Error> {
        match self.rest().get(..count) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => Err(self.short(count, what)),
        }
    }

    /// The next `N` bytes as an array, for `from_be_bytes` and `from_le_bytes`.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        match self.rest().first_chunk::<N>() {
            Some(taken) => {
                self.at += N;
                Ok(*taken)
            }
            None => Err(self.short(N, what)),
        }
    }

    /// That the bytes are wrong here.
    #[cold]
    #[must_use]
    pub fn wrong(&self, message: impl Into<String>) -> Error {
        Error::malformed(self.layer, self.at as u64, message)
    }

    #[cold]
    fn short(&self, count: usize, what: &str) -> Error {
        let left = self.bytes.len() - self.at;
        self.wrong(format!("cut short: {what} takes {count} bytes, and {left} are left"))
    }
}

/// Whether all bytes are ASCII, for texts of a few bytes, for which the standard library's check of
/// UTF-8 takes longer than to make the text.
#[inline]
#[must_use]
pub fn is_ascii(bytes: &[u8]) -> bool {
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // The last word may overlap the one before: that takes less than to look at single bytes.
    if let Some(last) = bytes.last_chunk::<8>() {
        let words = bytes.as_chunks::<8>().0.iter();
        let all = words.fold(u64::from_ne_bytes(*last), |all, word| all | u64::from_ne_bytes(*word));
        return all & HIGHS == 0;
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => u64::from(u32::from_ne_bytes(*first) | u32::from_ne_bytes(*last)) & HIGHS == 0,
        _ => at_most_three(bytes).iter().flatten().fold(0, |all, byte| all | **byte) < 0x80,
    }
}

/// Whether two texts of a few bytes are equal: to call for the comparison of so few takes longer
/// than to compare them.
#[inline]
#[must_use]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    if let (Some(last), Some(other_last)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        let mut words = one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0);
        return last == other_last && words.all(|(one, other)| one == other);
    }
    match (one.first_chunk::<4>(), other.first_chunk::<4>()) {
        (Some(first), Some(other_first)) => first == other_first && one.last_chunk::<4>() == other.last_chunk::<4>(),
        _ => at_most_three(one) == at_most_three(other),
    }
}

/// All that there is of three bytes or fewer, some of it twice: without a loop to guess the end of.
#[inline(always)]
fn at_most_three(bytes: &[u8]) -> [Option<&u8>; 3] {
    [bytes.first(), bytes.get(bytes.len() / 2), bytes.last()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_whatever_the_length() {
        for len in 0..40 {
            let text = vec![b'a'; len];
            assert!(is_ascii(&text) && is_same(&text, &text), "{len}");
            assert!(!is_same(&text, &vec![b'a'; len + 1]), "{len}");
            for at in 0..len {
                let mut other = text.clone();
                other[at] = 0x80;
                assert!(!is_ascii(&other) && !is_same(&text, &other), "{at} of {len}");
            }
        }
    }

    #[test]
    fn it_reads_to_the_end_and_not_past_it() {
        let mut cursor = Cursor::new("test", b"\x01\x02\x03\x04\x05");
        assert_eq!(cursor.peek(), Some(1));
        cursor.pass(1);
        assert_eq!(u16::from_be_bytes(cursor.array("a length").unwrap()), 0x0203);
        assert_eq!(cursor.since(1), [2, 3]);
        let error = cursor.array::<4>("a length").unwrap_err();
        assert_eq!(error.to_string(), "test: cut short: a length takes 4 bytes, and 2 are left at byte 3");
        assert!(cursor.take(usize::MAX, "text").is_err());
        assert_eq!(cursor.take(2, "text").unwrap(), [4, 5]);
        assert_eq!((cursor.peek(), cursor.rest(), cursor.at()), (None, &b""[..], 5));
    }
}

//! A value in the making, while the bytes that it will own are still being read.
//!
//! A reader borrows its input and hands the input over when it is done. In between, spans point
//! into the input by its own offsets, and to text that had to be made (unescaped, computed) by
//! offsets past its end: that text is put there by [`Drafted::over`]. Nothing is copied when no text
//! had to be made. It knows no format.

use num_bigint::BigInt;

use super::{Node, Span, Value, to_u32};
use crate::limits::BYTES_CEILING;

/// A value whose text is still being read.
pub struct Draft<'a> {
    read: &'a [u8],
    made: Vec<u8>,
    /// What was read so far, but for the text: ask [`Draft::text`] for that.
    pub value: Value,
}

/// A value that lacks its text.
pub struct Drafted {
    made: Vec<u8>,
    value: Value,
}

impl<'a> Draft<'a> {
    /// A value to be read from `read`.
    ///
    /// # Panics
    /// When `read` is longer than [`BYTES_CEILING`]; every reader is limited below that.
    #[must_use]
    pub fn new(read: &'a [u8]) -> Draft<'a> {
        assert!(read.len() as u64 <= BYTES_CEILING, "decoded bytes are limited below the ceiling");
        let mut value = Value::over(Vec::new());
        // More than most values of as many bytes come to: to grow takes longer than to read. What is
        // not filled costs addresses only, and from some MiB on growing moves pages and copies nothing.
        let room = (read.len() / 4).min(1 << 18);
        value.reserve(room, room / 8);
        Draft { read, made: Vec::new(), value }
    }

    /// The span of what was read from `start` to `end`.
    #[inline]
    #[must_use]
    pub fn span(start: usize, end: usize) -> Span {
        Span { start: to_u32(start), len: to_u32(end - start) }
    }

    /// Adds text that the input does not have as it is.
    pub fn push_text(&mut self, text: &[u8]) -> Span {
        let start = self.read.len() + self.made.len();
        self.made.extend_from_slice(text);
        Draft::span(start, start + text.len())
    }

    /// How many bytes were added.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made.len()
    }

    /// The integer as a node: [`Node::Int`] where it fits.
    pub fn integer(&mut self, number: &BigInt) -> Node {
        match i64::try_from(number) {
            Ok(small) => Node::Int(small),
            Err(_) => Node::Big(self.push_text(&number.to_signed_bytes_le())),
        }
    }

    /// The bytes of a span: it lies in the input or in what was added.
    #[inline]
    #[must_use]
    pub fn text(&self, span: Span) -> &[u8] {
        let (start, len) = (span.start as usize, span.len as usize);
        match start.checked_sub(self.read.len()) {
            Some(made) => &self.made[made..made + len],
            None => &self.read[start..start + len],
        }
    }

    /// Ends the reading: the value is `root`.
    #[must_use]
    pub fn finish(mut self, root: Node) -> Drafted {
        self.value.set_root(root);
        Drafted { made: self.made, value: self.value }
    }
}

impl Drafted {
    /// The value, over the bytes that it was read from.
    #[must_use]
    pub fn over(mut self, mut read: Vec<u8>) -> Value {
        read.extend_from_slice(&self.made);
        self.value.text = read;
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_made_text_stand_side_by_side() {
        let read = b"abc".to_vec();
        let mut draft = Draft::new(&read);
        let empty = Draft::span(3, 3);
        assert_eq!(draft.text(empty), b"");
        let made = draft.push_text(b"xyz");
        let big = draft.integer(&(BigInt::from(u64::MAX)));
        assert_eq!(
            (draft.text(made), draft.text(Draft::span(1, 3)), draft.text(empty)),
            (&b"xyz"[..], &b"bc"[..], &b""[..])
        );
        let list = draft.value.container(&[Node::Str(made), Node::Str(Draft::span(1, 3)), big]);
        let value = draft.finish(Node::List(list)).over(read);
        assert_eq!((value.text(made), value.text(Draft::span(1, 3))), (&b"xyz"[..], &b"bc"[..]));
        let Node::Big(span) = value.members(list)[2] else { panic!("{:?}", value.members(list)) };
        assert_eq!(value.big(span), BigInt::from(u64::MAX));
    }
}

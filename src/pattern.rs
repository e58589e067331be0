//! Glob patterns as Redis has them, matched here for the backends that have none of their own.
//!
//! `*`, `?`, `[abc]`, `[^a-z]` and `\` before a character that is meant literally; bytes, not
//! characters (`stringmatchlen` in Redis 7.0, `util.c`). A pattern is not a key: the two are
//! different types so that `del 'a*'` can never become `del --match 'a*'`.

/// A glob pattern over stored keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// A pattern in Redis's notation.
    #[must_use]
    pub fn new(glob: impl Into<Vec<u8>>) -> Pattern {
        Pattern(glob.into())
    }

    /// Everything.
    #[must_use]
    pub fn all() -> Pattern {
        Pattern::new("*")
    }

    /// The keys that start with `prefix`, taken literally, and go on as `self` says.
    #[must_use]
    pub fn under(&self, prefix: &[u8]) -> Pattern {
        let mut glob = Vec::with_capacity(prefix.len() + self.0.len());
        for byte in prefix {
            if b"*?[]\\^-".contains(byte) {
                glob.push(b'\\');
            }
            glob.push(*byte);
        }
        glob.extend_from_slice(&self.0);
        Pattern(glob)
    }

    /// The pattern in Redis's notation.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether every key matches.
    #[must_use]
    pub fn is_all(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|byte| *byte == b'*')
    }

    /// Whether `key` matches. Time grows with `pattern * key` at most: a `*` that fails is only
    /// retried from the last `*` seen.
    #[must_use]
    pub fn matches(&self, key: &[u8]) -> bool {
        let (mut at, mut pos) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            if self.0.get(at) == Some(&b'*') {
                at += 1;
                retry = Some((at, pos));
                continue;
            }
            let step = key.get(pos).and_then(|byte| self.one(at, *byte));
            match (step, retry) {
                (Some(next), _) => (at, pos) = (next, pos + 1),
                (None, _) if at == self.0.len() && pos == key.len() => return true,
                (None, Some((after, from))) if from < key.len() => {
                    retry = Some((after, from + 1));
                    (at, pos) = (after, from + 1);
                }
                (None, _) => return false,
            }
        }
    }

    /// Where the pattern goes on when its element at `at` takes `byte`.
    fn one(&self, at: usize, byte: u8) -> Option<usize> {
        match *self.0.get(at)? {
            b'?' => Some(at + 1),
            b'[' => self.class(at + 1, byte),
            b'\\' if at + 1 < self.0.len() => (self.0[at + 1] == byte).then_some(at + 2),
            literal => (literal == byte).then_some(at + 1),
        }
    }

    /// A class that is never closed ends with the pattern, as in Redis.
    fn class(&self, mut at: usize, byte: u8) -> Option<usize> {
        let negated = self.0.get(at) == Some(&b'^');
        at += usize::from(negated);
        let mut found = false;
        loop {
            match *self.0.get(at).unwrap_or(&b']') {
                b']' => break,
                b'\\' if at + 1 < self.0.len() => {
                    found |= self.0[at + 1] == byte;
                    at += 2;
                }
                low if self.0.get(at + 1) == Some(&b'-') && at + 2 < self.0.len() => {
                    let high = self.0[at + 2];
                    found |= (low.min(high)..=low.max(high)).contains(&byte);
                    at += 3;
                }
                literal => {
                    found |= literal == byte;
                    at += 1;
                }
            }
        }
        (found != negated).then_some((at + 1).min(self.0.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn globs_match_as_in_redis() {
        for (glob, yes, no) in [
            ("*", "", ""),
            ("a*", "abc", "ba"),
            ("a?c", "abc", "ac"),
            ("a[bx]c", "axc", "adc"),
            ("a[^b]c", "adc", "abc"),
            ("a[a-c]c", "abc", "adc"),
            ("a[c-a]c", "abc", "adc"),
            ("\\*", "*", "a"),
            ("[", "", "a"),
            ("*a*b*c", "xxaxbxxc", "xxaxbxx"),
            ("", "", "a"),
            ("a\\", "a\\", "a"),
        ] {
            if glob != "[" {
                assert!(Pattern::new(glob).matches(yes.as_bytes()), "{glob} {yes}");
            }
            assert!(no.is_empty() || !Pattern::new(glob).matches(no.as_bytes()), "{glob} {no}");
        }
    }

    #[test]
    fn a_prefix_is_taken_literally() {
        let pattern = Pattern::all().under(b"p*[");
        assert!(pattern.matches(b"p*[x"));
        assert!(!pattern.matches(b"pa[x"));
    }

    #[test]
    fn a_pattern_of_stars_is_not_exponential() {
        let glob = "*a".repeat(500);
        assert!(!Pattern::new(glob).matches("a".repeat(499).as_bytes()));
    }
}

//! How the values that were looked into are encoded: the chains found, what they save, and the
//! classes that pickles name.

use foldhash::HashMap;

use super::tally::{Sample, Tally};

/// So many chains are told apart, those that come first: there are as many as codecs in use.
const CHAINS_MOST: usize = 64;

/// So many classes are counted for a chain, in so many bytes each.
const CLASSES_MOST: usize = 256;
const CLASS_BYTES_MOST: usize = 256;

/// What a value turned out to be.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'a> {
    /// Such as `pickle+zlib`; one that says so for a value that cannot be decoded.
    pub chain: &'a str,
    /// Bytes as stored.
    pub encoded: u64,
    /// Bytes without compression.
    pub decoded: u64,
    /// The classes that it names.
    pub classes: &'a [String],
}

/// The chains, counted.
#[derive(Default)]
pub struct Codecs {
    pub chains: HashMap<Box<str>, Chain>,
    /// Of the chains that came when there were too many.
    pub rest: Tally,
}

/// What is counted of a chain.
#[derive(Default)]
pub struct Chain {
    pub tally: Tally,
    pub encoded: u64,
    pub decoded: u64,
    classes: HashMap<Box<str>, u64>,
}

impl Codecs {
    /// Counts a value, and the entry that it is of.
    pub fn add(&mut self, value: &Decoded, sample: &Sample) {
        if !self.chains.contains_key(value.chain) {
            if self.chains.len() == CHAINS_MOST {
                self.rest.add(sample);
                return;
            }
            self.chains.insert(value.chain.into(), Chain::default());
        }
        let chain = self.chains.get_mut(value.chain).expect("it was inserted");
        chain.tally.add(sample);
        chain.encoded = chain.encoded.saturating_add(value.encoded);
        chain.decoded = chain.decoded.saturating_add(value.decoded);
        value.classes.iter().for_each(|class| chain.add_class(class));
    }
}

impl Chain {
    fn add_class(&mut self, class: &str) {
        let mut ends = (0..=class.len().min(CLASS_BYTES_MOST)).rev();
        let class = &class[..ends.find(|end| class.is_char_boundary(*end)).unwrap_or(0)];
        match self.classes.get_mut(class) {
            Some(count) => *count += 1,
            None => {
                if self.classes.len() == CLASSES_MOST {
                    let kept = self.top_classes(CLASSES_MOST / 2);
                    self.classes = kept.into_iter().map(|(class, count)| (class.into(), count)).collect();
                }
                self.classes.insert(class.into(), 1);
            }
        }
    }

    /// The classes that most values name, with how many do. Where there are more than can be counted,
    /// at least so many.
    pub fn top_classes(&self, most: usize) -> Vec<(String, u64)> {
        let mut classes: Vec<(&str, u64)> = self.classes.iter().map(|(class, count)| (&**class, *count)).collect();
        classes.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        classes.into_iter().take(most).map(|(class, count)| (class.to_owned(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(chain: &'a str, classes: &'a [String]) -> Decoded<'a> {
        Decoded { chain, encoded: 10, decoded: 30, classes }
    }

    #[test]
    fn chains_are_told_apart_until_there_are_too_many() {
        let mut codecs = Codecs::default();
        for number in 0..100 {
            codecs.add(&value(&format!("chain {number}"), &[]), &Sample { size: Some(5), ..Sample::default() });
            codecs.add(&value("chain 0", &[]), &Sample::default());
        }
        assert_eq!((codecs.chains.len(), codecs.rest.entries, codecs.rest.bytes), (64, 36, 180));
        let first = &codecs.chains["chain 0"];
        assert_eq!((first.tally.entries, first.encoded, first.decoded), (101, 1010, 3030));
    }

    #[test]
    fn a_class_that_many_name_is_counted_among_many_that_few_name() {
        let mut chain = Chain::default();
        for number in 0..5000 {
            chain.add_class(&format!("module.Rare{number}"));
            chain.add_class("module.Common");
            assert!(chain.classes.len() <= CLASSES_MOST);
        }
        assert_eq!(chain.top_classes(1), [("module.Common".to_owned(), 5000)]);
        assert_eq!(chain.top_classes(0), []);
    }

    #[test]
    fn of_a_long_class_the_beginning_is_kept() {
        let mut chain = Chain::default();
        chain.add_class(&"é".repeat(1000));
        chain.add_class(&format!("x{}", "é".repeat(1000)));
        let lengths: Vec<usize> = chain.top_classes(5).into_iter().map(|(class, _)| class.len()).collect();
        assert_eq!(lengths, [255, 256]);
    }
}

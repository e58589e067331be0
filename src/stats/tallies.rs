//! Tallies by name, in bounded memory whatever the names: the light ones are given up for the heavy.
//!
//! Names may lie inside one another (`app:` and `app:page:`). An entry is counted at the longest
//! of its names only, so that a name costs a look-up and nothing for its parents. When there are
//! too many names, or their quantiles take too much, the lightest that have no children are counted
//! into their parent and forgotten.
//!
//! What a name may have missed while it was forgotten is bounded as by Space-Saving (Metwally,
//! Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams",
//! ICDT 2005), with one bound for the names of each hash, its `cell`: a name that is not kept weighs
//! no more than its cell, and a name that is kept no more than was counted since it came and its
//! cell at that time. For an entry that comes under a name that is not kept is added to the cell of
//! that name, and when a name is forgotten its cell is made to be no less than the name may weigh.
//! A name is kept again when its cell says that it may be heavier than those that were forgotten
//! last, so that names that come once do not drive out one another.

use std::hash::BuildHasher as _;

use foldhash::{HashMap, HashMapExt as _};

use super::tally::{Sample, Tally, Weight};

/// What is counted under each name, and how much of it there may be.
pub struct Tallies {
    names: HashMap<Box<[u8]>, Node>,
    names_most: usize,
    /// What is counted under no name that is kept.
    root: Tally,
    /// The most that the names of a hash weigh that are not kept; empty while none was forgotten.
    cells: Vec<Weight>,
    /// The heaviest of the names that were forgotten last.
    bar: Weight,
    /// Bytes that the tallies take beside themselves, and may take.
    footprint: usize,
    footprint_most: usize,
}

#[derive(Default)]
struct Node {
    /// Without what is counted at the children that are kept.
    own: Tally,
    /// The most that came before it did.
    missed: Weight,
    /// How much of its name is its parent's.
    parent: usize,
    /// How many are kept.
    children: usize,
}

/// A name with all that is counted under it, and the names inside it.
pub struct Branch {
    /// The whole of it.
    pub name: Box<[u8]>,
    /// Without what is counted at the children.
    pub own: Tally,
    /// The most that is not counted here, though it should be.
    pub missed: Weight,
    /// Inside it.
    pub children: Vec<Branch>,
}

/// What is counted of one name.
pub struct Counted {
    /// As it is shown.
    pub name: Vec<u8>,
    /// All of it.
    pub tally: Tally,
    /// The most that is not counted here, though it should be.
    pub missed: Weight,
    /// Without the names inside it that are told beside it.
    pub opened: bool,
}

impl Counted {
    /// Nothing missed, nothing opened.
    pub fn named(name: &str, tally: Tally) -> Counted {
        Counted { name: name.into(), tally, missed: Weight::default(), opened: false }
    }
}

impl Tallies {
    /// Nothing yet; at most so many names, whose tallies take so many bytes beside themselves.
    pub fn new(names_most: usize, footprint_most: usize) -> Tallies {
        let (names, root, cells) = (HashMap::new(), Tally::default(), Vec::new());
        Tallies { names, names_most, root, cells, bar: Weight::default(), footprint: 0, footprint_most }
    }

    /// Counts an entry under `name`. The names that it lies in end at `ends`, itself the last.
    pub fn add(&mut self, name: &[u8], ends: &[usize], sample: &Sample) {
        // Most names are kept; whoever comes to be does so here, too.
        let tally = match self.names.get_mut(name) {
            Some(node) => &mut node.own,
            None => {
                let kept = self.keep(name, ends, sample);
                self.tally(&name[..kept])
            }
        };
        let before = tally.footprint();
        tally.add(sample);
        self.footprint += tally.footprint() - before;
        while self.names.len() > self.names_most || (self.footprint > self.footprint_most && !self.names.is_empty()) {
            self.prune();
        }
    }

    /// Keeps of the names that end at `ends` those that may be heavy, and says where the longest ends
    /// that is kept.
    #[cold]
    fn keep(&mut self, name: &[u8], ends: &[usize], sample: &Sample) -> usize {
        let weight = Weight { bytes: sample.size.unwrap_or(0), entries: 1 };
        let mut kept = 0;
        // An empty name is none.
        let mut ends = ends.iter().copied().filter(|end| *end > 0).peekable();
        while let Some(end) = ends.next_if(|end| self.names.contains_key(&name[..*end])) {
            kept = end;
        }
        while let Some(end) = ends.next_if(|end| self.may_be_heavy(&name[..*end], weight)) {
            if let Some(parent) = self.names.get_mut(&name[..kept]) {
                parent.children += 1;
            }
            let missed = self.cells.get(self.cell(&name[..end])).copied().unwrap_or_default();
            self.names.insert(name[..end].into(), Node { parent: kept, missed, ..Node::default() });
            kept = end;
        }
        for end in ends {
            let cell = self.cell(&name[..end]);
            self.cells[cell] = self.cells[cell].plus(weight);
        }
        kept
    }

    fn may_be_heavy(&self, name: &[u8], weight: Weight) -> bool {
        self.cells.get(self.cell(name)).is_none_or(|cell| cell.plus(weight) > self.bar)
    }

    fn cell(&self, name: &[u8]) -> usize {
        self.names.hasher().hash_one(name) as usize & self.cells.len().saturating_sub(1)
    }

    /// What is counted under `name`, which is kept, or empty.
    fn tally(&mut self, name: &[u8]) -> &mut Tally {
        match name {
            [] => &mut self.root,
            name => &mut self.names.get_mut(name).expect("a name is forgotten after those inside it").own,
        }
    }

    /// Forgets the lighter half of the names that have no children.
    #[cold]
    fn prune(&mut self) {
        if self.cells.is_empty() {
            // Many more than names, so that few share one.
            self.cells = vec![Weight::default(); (8 * self.names_most).next_power_of_two()];
        }
        let weigh = |node: &Node| node.own.weight().plus(node.missed);
        let leaves = self.names.values().filter(|node| node.children == 0);
        let mut weights: Vec<Weight> = leaves.map(weigh).collect();
        let middle = weights.len() / 2;
        let (lighter, most, _) = weights.select_nth_unstable(middle);
        let most = *most;
        // Many may weigh the same: of those only as many as make half.
        let mut equals = middle + 1 - lighter.iter().filter(|weight| **weight < most).count();
        let forgotten = self.names.extract_if(|_, node| {
            let weight = weigh(node);
            let equal = weight == most && node.children == 0 && equals > 0;
            equals -= usize::from(equal);
            equal || (weight < most && node.children == 0)
        });
        for (name, node) in forgotten.collect::<Vec<_>>() {
            let cell = self.cell(&name);
            self.cells[cell] = self.cells[cell].bound(weigh(&node));
            self.footprint -= node.own.footprint();
            let parent = &name[..node.parent];
            if let Some(parent) = self.names.get_mut(parent) {
                parent.children -= 1;
            }
            let tally = self.tally(parent);
            let before = tally.footprint();
            tally.merge(node.own);
            self.footprint += tally.footprint() - before;
        }
        self.bar = most;
    }

    /// All of it, from the root.
    pub fn into_tree(self) -> Branch {
        let mut names: Vec<(Box<[u8]>, Node)> = self.names.into_iter().collect();
        // The longer first: whoever lies in another is whole before the other is.
        names.sort_unstable_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let mut orphans: HashMap<Box<[u8]>, Vec<Branch>> = HashMap::new();
        let mut top = Vec::new();
        for (name, node) in names {
            let children = orphans.remove(&name).unwrap_or_default();
            let siblings = match node.parent {
                0 => &mut top,
                end => orphans.entry(name[..end].into()).or_default(),
            };
            siblings.push(Branch { name, own: node.own, missed: node.missed, children });
        }
        Branch { name: Box::default(), own: self.root, missed: Weight::default(), children: top }
    }
}

impl Branch {
    /// Each name that lies in no other, and what is in none.
    pub fn into_rows(self) -> (Vec<Counted>, Tally) {
        let row = |branch: Branch| {
            let (name, missed) = (branch.name.to_vec(), branch.missed);
            Counted { name, tally: branch.into_tally(), missed, opened: false }
        };
        (self.children.into_iter().map(row).collect(), self.own)
    }

    /// With the children.
    pub fn weight(&self) -> Weight {
        self.children.iter().fold(self.own.weight(), |weight, child| weight.plus(child.weight()))
    }

    /// With the children.
    pub fn into_tally(self) -> Tally {
        let mut tally = self.own;
        self.children.into_iter().for_each(|child| tally.merge(child.into_tally()));
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: [&[usize]; 3] = [&[2], &[2, 4], &[2, 4, 6]];

    /// What is counted under every name, those inside it with it.
    fn counts(branch: &Branch, names: &mut HashMap<Box<[u8]>, (Weight, Weight)>) {
        names.insert(branch.name.clone(), (branch.weight(), branch.missed));
        branch.children.iter().for_each(|child| counts(child, names));
    }

    /// Names of up to three levels, `a:b:c:` of 26 letters each, in orders that are hard to count:
    /// the many light ones before, after, and between the few heavy ones.
    fn names(order: usize, random: &mut fastrand::Rng) -> Vec<([u8; 6], usize)> {
        let letter = |number: usize| b'A' + (number % 58) as u8;
        let light = (0..6000).map(|number| {
            let name = [letter(number), b':', letter(number / 58), b':', letter(number / 7), b':'];
            (name, number % 3)
        });
        let heavy = (0..2000).map(|number| ([b'x', b':', letter(number % 5), b':', b'z', b':'], number % 2));
        let mut names: Vec<_> = match order {
            0 => light.chain(heavy).collect(),
            1 => heavy.chain(light).collect(),
            // Names come back as soon as they are forgotten.
            2 => light.clone().chain(light.clone()).chain(heavy).chain(light).collect(),
            3 => light.rev().chain(heavy.rev()).collect(),
            _ => light.clone().chain(heavy).chain(light).collect(),
        };
        if order > 3 {
            random.shuffle(&mut names);
        }
        names
    }

    #[test]
    fn a_name_weighs_no_less_than_is_counted_and_no_more_than_that_and_what_it_may_have_missed() {
        let mut random = fastrand::Rng::with_seed(3);
        for (order, most) in (0..6).flat_map(|order| [10, 60, 300].map(|most| (order, most))) {
            let mut tallies = Tallies::new(most, usize::MAX);
            let mut truth: HashMap<Box<[u8]>, Weight> = HashMap::new();
            let mut all = Weight::default();
            for (name, level) in names(order, &mut random) {
                let ends = ENDS[level];
                let size = random.u64(0..100) * [1, 1, 1, 1000][random.usize(..4)];
                let sample = Sample { size: Some(size), ..Sample::default() };
                tallies.add(&name[..ends[level]], ends, &sample);
                assert!(tallies.names.len() <= most, "{} names", tallies.names.len());
                let weight = Weight { bytes: size, entries: 1 };
                all = all.plus(weight);
                for end in ends {
                    let known = truth.entry(name[..*end].into()).or_default();
                    *known = known.plus(weight);
                }
            }
            let cells: HashMap<Box<[u8]>, Weight> = truth
                .keys()
                .map(|name| (name.clone(), tallies.cells.get(tallies.cell(name)).copied().unwrap_or_default()))
                .collect();
            let tree = tallies.into_tree();
            assert_eq!(tree.weight(), all, "nothing is lost");
            let mut counted = HashMap::new();
            counts(&tree, &mut counted);
            assert!(counted.len() <= most + 1 && counted.len() > 2, "{}", counted.len());
            for (name, truth) in truth {
                // What is not kept weighs no more than its cell.
                let (weight, missed) = counted.get(&name).copied().unwrap_or((Weight::default(), cells[&name]));
                let most = weight.plus(missed);
                let within = |low, truth, high| low <= truth && truth <= high;
                let bytes = within(weight.bytes, truth.bytes, most.bytes);
                assert!(bytes && within(weight.entries, truth.entries, most.entries), "{name:?}: {truth:?} {most:?}");
            }
        }
    }

    #[test]
    fn what_a_heavy_name_may_have_missed_shrinks_with_the_names_that_are_kept() {
        for most in [100, 1000] {
            let mut tallies = Tallies::new(most, usize::MAX);
            for number in 0..100_000_u32 {
                tallies.add(&number.to_be_bytes(), &[4], &Sample::default());
                if number % 10 == 0 {
                    tallies.add(b"heavy", &[5], &Sample::default());
                }
            }
            let missed = tallies.names.values().map(|node| node.missed.entries).max().unwrap();
            // As Space-Saving: all of them by half as many names as are kept, and what rounding adds.
            assert!(missed > 0 && missed <= 110_000 / (most as u64 / 2) + 2, "{missed} of {most}");
            let heavy = &tallies.names[&b"heavy"[..]];
            assert_eq!((heavy.own.entries, heavy.missed), (10_000, Weight::default()));
        }
    }

    #[test]
    fn quantiles_take_no_more_than_they_may() {
        const MOST: usize = 200_000;
        let mut tallies = Tallies::new(5000, MOST);
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..200_000 {
            let name = random.u16(..).to_be_bytes();
            let sample = Sample { size: Some(1 << random.u8(0..64)), ..Sample::default() };
            tallies.add(&name[..1 + usize::from(name[0] & 1)], &[1, 2][..1 + usize::from(name[0] & 1)], &sample);
            assert!(tallies.footprint <= MOST, "{}", tallies.footprint);
        }
        let footprints = tallies.names.values().map(|node| node.own.footprint()).sum::<usize>();
        assert_eq!(footprints + tallies.root.footprint(), tallies.footprint);
        assert_eq!(tallies.into_tree().weight().entries, 200_000);
    }

    #[test]
    fn an_empty_name_is_none() {
        let mut tallies = Tallies::new(2, usize::MAX);
        tallies.add(b"", &[0], &Sample::default());
        let (rows, rest) = tallies.into_tree().into_rows();
        assert_eq!((rows.len(), rest.entries), (0, 1));
    }
}

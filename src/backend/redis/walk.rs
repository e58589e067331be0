//! A scan over all keys: of one server, or of each primary of a cluster in turn.
//!
//! A cursor is worth something only to the process that gave it, so a node that was restarted is walked over from
//! its beginning. In a cluster keys move meanwhile, with their slot, or to a replica that takes over. What moved away
//! before it was seen is in the end on the node that has the slot, or on the one that the slot is on its way to: those
//! nodes are walked over once more, until there are no new ones. Keys may come twice. A node that is lost is come back
//! to in the end; if neither it nor another has its slots within the timeout, the scan ends with an error that says so.

use foldhash::HashSet;
use redis::{Cmd, cmd};

use super::nodes::Nodes;
use super::read;
use super::turns::Turns;
use crate::backend::{Cursor, Error, ErrorKind, Page};
use crate::entry::StoredKey;
use crate::limits::Limits;

/// How often nodes may be begun anew: one that is restarted all the time is never walked over.
const AGAIN_MOST: u32 = 16;

/// A scan under way.
#[derive(Default)]
pub struct Walk {
    /// The node that is walked over, and those that come then.
    nodes: Vec<usize>,
    cursor: u64,
    session: u64,
    turns: Turns,
    /// Slots on nodes that were walked over since they had them, or are now.
    covered: HashSet<(u16, usize)>,
    primaries: usize,
    lost: Vec<(usize, Error)>,
    again: u32,
}

impl Walk {
    /// The page at `cursor`, by the command that `scan` makes.
    ///
    /// # Errors
    /// The server's; in a cluster, [`ErrorKind::Partial`] in the end when a node was not walked over.
    pub fn page(
        &mut self,
        nodes: &mut Nodes,
        cursor: &Cursor,
        scan: impl Fn(u64) -> Cmd,
        limits: &Limits,
    ) -> Result<Page, Error> {
        match cursor {
            Cursor::At(at) if self.primaries == 0 || *at != self.cursor => {
                let message = format!("no scan of {} is where this one would go on: begin it anew", nodes.label());
                return Err(Error::new(ErrorKind::Failed, message));
            }
            Cursor::At(_) => {}
            Cursor::Start => *self = Walk::begin(nodes)?,
        }
        if self.nodes.is_empty() && !self.end_of_pass(nodes)? {
            return Ok(Page::default());
        }
        let node = *self.nodes.last().expect("a pass has nodes");
        let finds_again = nodes.finds_again();
        let page = nodes.link(node).ask_one("cannot list keys", scan(self.cursor)).and_then(read::page);
        let (next, keys) = match page {
            // One that answers otherwise, and refuses this, will refuse it again.
            Err(error) if finds_again && is_away(&error) && !is_back(nodes, node) => {
                self.nodes.pop();
                self.lost.push((node, error));
                (0, Vec::new())
            }
            Err(error) if finds_again && error.kind == ErrorKind::Unreachable => {
                self.count_again(nodes)?;
                (0, Vec::new())
            }
            page => {
                let (next, keys) = page?;
                let sessions = nodes.link(node).sessions();
                let stale = self.cursor != 0 && sessions != self.session;
                self.session = sessions;
                let passed = self.turns.pass(keys.len(), next, limits);
                passed.map_err(|endless| endless.named("SCAN", nodes.label()))?;
                if next == 0 && !stale {
                    self.nodes.pop();
                }
                if stale {
                    self.count_again(nodes)?;
                }
                (if stale { 0 } else { next }, keys)
            }
        };
        self.cursor = next;
        if next == 0 {
            self.turns = Turns::default();
        }
        // What there is to say at the end is not said in place of the last keys.
        let goes_on = !self.nodes.is_empty() || finds_again;
        let keys = keys.into_iter().map(StoredKey::new).collect();
        Ok(Page { keys, next: goes_on.then_some(Cursor::At(self.cursor)) })
    }

    fn begin(nodes: &mut Nodes) -> Result<Walk, Error> {
        let primaries = nodes.primaries()?;
        let covered = nodes.owners().collect();
        let count = primaries.len();
        Ok(Walk { nodes: primaries, covered, primaries: count, ..Walk::default() })
    }

    fn count_again(&mut self, nodes: &Nodes) -> Result<(), Error> {
        self.again += 1;
        match self.again > AGAIN_MOST {
            true => {
                let message = format!("{} changes faster than its keys can be listed: try again later", nodes.label());
                Err(Error::new(ErrorKind::Failed, message))
            }
            false => Ok(()),
        }
    }

    /// Which nodes are to be walked over once more; whether there are any.
    fn end_of_pass(&mut self, nodes: &mut Nodes) -> Result<bool, Error> {
        let mut patience = nodes.patience();
        loop {
            let held = nodes.holders();
            let holders = held.as_deref().unwrap_or_default();
            // A node that has lost its slots has no keys that count.
            if held.is_ok() && !holders.is_empty() {
                self.lost.retain(|(node, _)| holders.iter().any(|(_, holder)| holder == node));
            }
            let back = self.lost.extract_if(.., |(node, _)| is_back(nodes, *node));
            self.nodes = back.map(|(node, _)| node).collect();
            let lost = |node: &usize| self.lost.iter().any(|(lost, _)| lost == node);
            let moved = holders.iter().filter(|holder| !self.covered.contains(*holder) && !lost(&holder.1));
            self.nodes.extend(moved.map(|(_, node)| *node));
            self.nodes.sort_unstable();
            self.nodes.dedup();
            if !self.nodes.is_empty() {
                self.count_again(nodes)?;
                self.covered.extend(holders);
                return Ok(true);
            }
            if self.lost.is_empty() {
                return held.map(|_| false);
            }
            if !patience.wait() {
                return Err(self.partial(nodes));
            }
        }
    }

    /// Why the scan has not seen everything.
    fn partial(&mut self, nodes: &mut Nodes) -> Error {
        let (_, error) = self.lost[0].clone();
        if self.lost.len() >= self.primaries {
            return error;
        }
        let mut labels: Vec<String> = self.lost.iter().map(|(node, _)| nodes.link(*node).label().to_owned()).collect();
        labels.sort();
        labels.dedup();
        let message = format!(
            "the keys of {} of {} primaries were not all reached, of {} ({}); the same command again reaches them when \
             it is back",
            labels.len(),
            self.primaries,
            labels.join(", "),
            error.message
        );
        Error::new(ErrorKind::Partial, message)
    }
}

/// Whether a node answers again: that this user may not PING is an answer.
fn is_back(nodes: &mut Nodes, node: usize) -> bool {
    let answer = nodes.link(node).ask_one("cannot ask whether it is back", cmd("PING"));
    !answer.is_err_and(|error| is_away(&error))
}

/// Whether a server is not there, or not ready yet.
fn is_away(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Failed)
}

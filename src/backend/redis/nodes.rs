//! Where commands go: to the one server there is, or in a cluster each to the node that has its key.
//!
//! A batch of commands is sent to all nodes that it concerns before any reply is read, and the replies are put back
//! in order. What nodes say of keys that are elsewhere (MOVED, ASK) is followed; what will be all right soon is asked
//! again within the timeout. A server that turns out to be a node of a cluster makes this a cluster, whatever the
//! URL said. This file knows commands only as what has a slot.

use std::collections::HashSet;
use std::ops::Range;

use redis::{Arg, Cmd, Value, cmd};

use super::link::{self, Link};
use super::patience::Patience;
use super::slots::{self, Detour, SLOTS};
use super::url::{Target, Topology};
use super::{command, fault};
use crate::backend::net::{Place, Secured};
use crate::backend::{Error, ErrorKind, Options, Shards};

/// Commands sent before their replies are read.
const BATCH: usize = 1000;

/// Bytes of commands sent before their replies are read; one command may be longer.
const BATCH_BYTES: usize = 1 << 20;

/// How often in a row a command is sent elsewhere: Redis's own clients have 5 to 16.
const HOPS_MOST: usize = 16;

/// Nodes that are kept in mind: Redis advises against more than a thousand.
const NODES_MOST: usize = 16384;

/// No node.
const NOBODY: u16 = u16::MAX;
const _: () = assert!(NODES_MOST < NOBODY as usize);

/// The servers that a URL leads to.
pub struct Nodes {
    target: Target,
    options: Options,
    label: String,
    /// All that were ever heard of: a node is known by its place here.
    links: Vec<Link>,
    /// Of a cluster, the node that has each slot, as far as is known.
    owners: Option<Vec<u16>>,
    untouching: bool,
    answered: (usize, u64),
}

/// What became of a command.
pub enum Answer {
    /// It was not sent.
    Unsent,
    /// It was, and no reply came.
    Lost,
    /// The reply.
    Came(Value),
}

/// Commands for one node, one right after the other.
struct Errand {
    commands: Range<usize>,
    node: usize,
    /// The node has their slot only for who asks so.
    asking: bool,
}

/// Errands that are not done yet.
#[derive(Default)]
struct Next {
    elsewhere: Vec<Errand>,
    later: Vec<Errand>,
    /// Why some of the latter are not, where a connection failed.
    why: Failures,
    /// What is known of the cluster is so no more.
    stale: bool,
}

/// Why nodes were not reached, each reason once.
#[derive(Default)]
struct Failures(Vec<Error>);

/// What to do about commands that were sent and had no reply.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    /// They only read: they are sent again where a server may be found again.
    AskAgain,
    /// They may have been done.
    Tell,
}

impl Nodes {
    /// Connects to the one server; of a cluster, to a node that tells which others there are.
    ///
    /// # Errors
    /// When there is none that can be reached, or it refuses the user or the database.
    pub fn connect(target: &Target, options: &Options) -> Result<Nodes, Error> {
        let mut nodes = Nodes {
            label: link::label(target),
            target: target.clone(),
            options: options.clone(),
            links: Vec::new(),
            owners: None,
            untouching: false,
            answered: (0, 0),
        };
        let Topology::Cluster(places) = &target.topology else {
            nodes.links.push(Link::connect(target, options)?);
            return Ok(nodes);
        };
        for place in places {
            nodes.node_at(place.clone());
        }
        nodes.owners = Some(vec![NOBODY; usize::from(SLOTS)]);
        match nodes.refresh() {
            // Who may not ask where keys are is told by MOVED.
            Err(error) if error.kind == ErrorKind::Denied && nodes.links.iter().any(Link::is_open) => Ok(nodes),
            refreshed => refreshed.map(|()| nodes),
        }
    }

    /// Where they are, without secrets.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// A node by its number.
    pub fn link(&mut self, node: usize) -> &mut Link {
        &mut self.links[node]
    }

    /// What TLS is on the first connection that is open.
    pub fn secured(&self) -> Option<Secured> {
        self.links.iter().find_map(Link::secured)
    }

    /// Whether they are a cluster, as far as is known.
    pub fn is_cluster(&self) -> bool {
        self.owners.is_some()
    }

    /// Says something to the user at once.
    pub fn tell(&self, remark: &str) {
        (self.options.tell)(remark);
    }

    /// Whether a server that is lost may be found again: another takes its place.
    pub fn finds_again(&self) -> bool {
        self.owners.is_some() || matches!(self.target.topology, Topology::Sentinel(_))
    }

    /// Time for that.
    pub fn patience(&self) -> Patience {
        Patience::new(self.options.timeout)
    }

    /// Who answered last, and in which session: what a cursor is worth something to.
    pub fn answered(&self) -> (usize, u64) {
        self.answered
    }

    /// From now on, reading does not make keys look recently used: see [`Link::leave_no_trace`].
    pub fn leave_no_trace(&mut self) {
        self.untouching = true;
    }

    /// Sends `commands`, which only read, and adds a reply for each to `replies`; a server's refusal is a reply.
    ///
    /// # Errors
    /// When a connection fails: which commands then had no reply, though all were sent that could be.
    pub fn ask(&mut self, commands: impl IntoIterator<Item = Cmd>, replies: &mut Vec<Value>) -> Result<(), Error> {
        let mut answers = Vec::new();
        let sent = self.send_all(commands, Loss::AskAgain, &mut answers);
        sent.map_err(|error| match error.kind {
            ErrorKind::Unreachable => error.not_at(places(&answers, |answer| !matches!(answer, Answer::Came(_)))),
            _ => error,
        })?;
        replies.extend(answers.into_iter().filter_map(Answer::came));
        Ok(())
    }

    /// [`Nodes::ask`], for one command whose refusal is an error: `doing` says what it is for.
    ///
    /// # Errors
    /// When the connection fails or the server refuses.
    pub fn ask_one(&mut self, doing: &str, command: Cmd) -> Result<Value, Error> {
        let mut replies = Vec::with_capacity(1);
        self.ask([command], &mut replies)?;
        self.check(doing, replies.pop().expect("a reply for each command"))
    }

    /// Sends `commands`, which change something, and adds to `answers` what became of each. They are taken a batch
    /// at a time, so that they need not all be in memory.
    ///
    /// # Errors
    /// When a connection fails; the others have done what was sent to them.
    pub fn change(&mut self, commands: impl IntoIterator<Item = Cmd>, answers: &mut Vec<Answer>) -> Result<(), Error> {
        self.send_all(commands, Loss::Tell, answers)
    }

    /// Sends `commands` to one node, one right after the other: a transaction, say. A reply for each.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn change_together(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        let node = self.node_for(commands);
        self.change_at(node, commands)
    }

    /// The same, at first to the node by its number.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn change_at(&mut self, node: usize, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        let mut answers: Vec<Answer> = commands.iter().map(|_| Answer::Unsent).collect();
        let errand = Errand { commands: 0..commands.len(), node, asking: false };
        self.exchange(commands, vec![errand], Loss::Tell, &mut answers)?;
        Ok(answers.into_iter().filter_map(Answer::came).collect())
    }

    /// Sends `commands` in the session that has answered last, and in no other, wherever their keys are: what was
    /// watched and begun in it holds nowhere else. A reply for each.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn go_on(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        let mut packed = Vec::new();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        let link = &mut self.links[self.answered.0];
        link.send(&packed)?;
        commands.iter().map(|_| link.receive()).collect()
    }

    /// Sends a command to each of `nodes`, at the same time; the reply of each, or why there is none.
    pub fn ask_each(&mut self, nodes: &[usize], command: &Cmd) -> Vec<Result<Value, Error>> {
        let batch = vec![command.clone(); nodes.len()];
        let errand = |(at, node): (usize, &usize)| Errand { commands: at..at + 1, node: *node, asking: false };
        let errands: Vec<Errand> = nodes.iter().enumerate().map(errand).collect();
        let mut answers: Vec<Answer> = nodes.iter().map(|_| Answer::Unsent).collect();
        let lost = self.round(&batch, &errands, &mut answers);
        let error = |node: &usize| lost.iter().find(|(lost, _)| lost == node).map(|(_, error)| error.clone());
        let each = nodes.iter().zip(answers);
        each.map(|(node, answer)| answer.came().ok_or_else(|| error(node).expect("what has no reply has a reason")))
            .collect()
    }

    /// The reply, unless it is a refusal.
    ///
    /// # Errors
    /// When it is one.
    pub fn check(&self, doing: &str, reply: Value) -> Result<Value, Error> {
        match (reply, &self.owners) {
            (Value::ServerError(error), Some(_)) => Err(fault::refused(&self.label, doing, &error)),
            (reply, _) => self.links[0].check(doing, reply),
        }
    }

    /// The nodes that have the data: the one server, or all primaries as they are now.
    ///
    /// # Errors
    /// When a connection fails, or the user may not ask a cluster which they are.
    pub fn primaries(&mut self) -> Result<Vec<usize>, Error> {
        if self.owners.is_none() {
            if !matches!(self.target.topology, Topology::Single) || !self.links[0].is_clustered()? {
                return Ok(vec![0]);
            }
            self.join();
        }
        self.refresh()?;
        let mut nodes: Vec<usize> = self.owners().map(|(_, node)| node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        match nodes.is_empty() {
            true => {
                let message = format!("{} is a cluster in which no node has any slots", self.label);
                Err(Error::new(ErrorKind::Failed, message))
            }
            false => Ok(nodes),
        }
    }

    /// The nodes that have the data, and which of them has which slot.
    ///
    /// # Errors
    /// As [`Nodes::primaries`]; and when there is a slot that none of them has.
    pub fn shards(&mut self) -> Result<Shards, Error> {
        let primaries = self.primaries()?;
        let places = primaries.iter().map(|node| self.links[*node].place().clone()).collect();
        let Some(owners) = &self.owners else { return Ok(Shards { places, owners: None }) };
        let at = |owner: &u16| primaries.binary_search(&usize::from(*owner)).map(|at| at as u16).ok();
        match owners.iter().map(at).collect() {
            Some(owners) => Ok(Shards { places, owners: Some(owners) }),
            None => {
                let count = owners.iter().filter(|owner| **owner == NOBODY).count();
                let message = format!("{} is a cluster of whose slots {count} are no node's", self.label);
                Err(Error::new(ErrorKind::Failed, message))
            }
        }
    }

    /// The node that answers where any can: the first that is there.
    pub fn any(&mut self) -> usize {
        let open = self.links.iter().position(Link::is_open);
        open.or_else(|| (0..self.links.len()).find(|node| self.links[*node].open().is_ok())).unwrap_or(0)
    }

    /// Of a cluster, each slot and the node that has it, as far as is known.
    pub fn owners(&self) -> impl Iterator<Item = (u16, usize)> {
        let owners = self.owners.iter().flatten().map(|node| usize::from(*node));
        (0..SLOTS).zip(owners).filter(|(_, node)| *node != usize::from(NOBODY))
    }

    /// Of a cluster, each slot and a node whose keys may be of it: the one that has it, and one that it is on its
    /// way to.
    ///
    /// # Errors
    /// When no node tells.
    pub fn holders(&mut self) -> Result<Vec<(u16, usize)>, Error> {
        let primaries = self.primaries()?;
        if self.owners.is_none() {
            return Ok(Vec::new());
        }
        let mut holders: Vec<(u16, usize)> = self.owners().collect();
        let told = self.ask_each(&primaries, &command("CLUSTER", &[b"NODES"]));
        for (node, told) in primaries.into_iter().zip(told) {
            // Who may not ask, or cannot be reached, knows of no slots on their way.
            if let Ok(Value::BulkString(told)) = told {
                let slots = slots::importing(&String::from_utf8_lossy(&told));
                holders.extend(slots.into_iter().map(|slot| (slot, node)));
            }
        }
        Ok(holders)
    }

    /// Asks again which node has which slots: the first that tells decides.
    ///
    /// # Errors
    /// When none tells.
    fn refresh(&mut self) -> Result<(), Error> {
        let mut order: Vec<usize> = (0..self.links.len()).collect();
        order.sort_by_key(|node| !self.links[*node].is_open());
        let mut first = None;
        for node in order {
            let question = command("CLUSTER", &[b"SLOTS"]);
            match self.links[node].ask_one("cannot ask which node has which keys", question) {
                Ok(told) => {
                    let ranges = slots::ranges(told)?;
                    let mut owners = vec![NOBODY; usize::from(SLOTS)];
                    for slots::Range { slots, mut nodes } in ranges {
                        let reads = usize::from(self.options.replica && nodes.len() > 1);
                        let (host, port) = nodes.swap_remove(reads);
                        let node = self.announced(node, host, port) as u16;
                        owners[usize::from(*slots.start())..=usize::from(*slots.end())].fill(node);
                    }
                    self.owners = Some(owners);
                    return Ok(());
                }
                Err(error) if matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Failed) => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(first.expect("there is one node at least"))
    }

    /// The server has turned out to be a node of a cluster.
    fn join(&mut self) {
        let label = &self.label;
        self.tell(&format!(
            "{label} is a node of a cluster: all of its nodes are used (redis+cluster:// says so without this remark)"
        ));
        self.owners = Some(vec![NOBODY; usize::from(SLOTS)]);
    }

    /// The node at an address that another one announced.
    fn announced(&mut self, by: usize, host: String, port: u16) -> usize {
        let place = slots::place(self.links[by].place(), host, port);
        self.node_at(place)
    }

    fn node_at(&mut self, place: Place) -> usize {
        if let Some(node) = self.links.iter().position(|link| *link.place() == place) {
            return node;
        }
        if self.links.len() == NODES_MOST {
            return 0;
        }
        let readonly = self.options.replica;
        let target = Target { place, topology: Topology::Single, readonly, ..self.target.clone() };
        self.links.push(Link::new(&target, &self.options));
        self.links.len() - 1
    }

    /// The node that has a slot, as far as is known: any other tells which does.
    pub fn node_of(&mut self, slot: u16) -> usize {
        match self.owners.as_ref().map(|owners| owners[usize::from(slot)]) {
            None => 0,
            Some(NOBODY) => self.any(),
            Some(node) => node.into(),
        }
    }

    /// The node for commands that go together.
    fn node_for(&mut self, commands: &[Cmd]) -> usize {
        if self.owners.is_none() {
            return 0;
        }
        match commands.iter().find_map(slots::of_command) {
            Some(slot) => self.node_of(slot),
            None => self.any(),
        }
    }

    fn send_all(
        &mut self,
        commands: impl IntoIterator<Item = Cmd>,
        loss: Loss,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Error> {
        let mut commands = commands.into_iter();
        let (mut failures, mut gone) = (Failures::default(), HashSet::new());
        loop {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let Some(command) = commands.next() else { break };
                bytes += size(&command);
                batch.push(command);
            }
            if batch.is_empty() {
                return failures.told();
            }
            let first = answers.len();
            answers.resize_with(first + batch.len(), || Answer::Unsent);
            let errand = |at| Errand { commands: at..at + 1, node: self.node_for(&batch[at..=at]), asking: false };
            // Who was waited for in vain once is not waited for again.
            let errands = (0..batch.len()).map(errand).filter(|errand| !gone.contains(&errand.node)).collect();
            match (self.exchange(&batch, errands, loss, &mut answers[first..]), loss) {
                (Ok(()), _) => {}
                (Err(error), Loss::Tell) => return Err(error),
                (Err(error), Loss::AskAgain) => {
                    let lost = places(&answers[first..], |answer| !matches!(answer, Answer::Came(_)));
                    gone.extend(lost.map(|at| self.node_for(&batch[at..=at])));
                    failures.add(error);
                }
            }
        }
    }

    /// Sends a batch, in errands, and follows up on each until it is done or the time is up. What could not be sent
    /// or was lost is an error at last, when everything else is done.
    fn exchange(
        &mut self,
        batch: &[Cmd],
        mut errands: Vec<Errand>,
        loss: Loss,
        answers: &mut [Answer],
    ) -> Result<(), Error> {
        let (mut patience, mut hops) = (self.patience(), 0);
        let mut failures = Failures::default();
        loop {
            let lost = self.round(batch, &errands, answers);
            let mut next = Next::default();
            for errand in errands {
                let answers = &answers[errand.commands.clone()];
                match self.detour(answers) {
                    Some(detour) => self.follow(errand, detour, &mut next),
                    None if Answer::all_came(answers) => {
                        self.answered = (errand.node, self.links[errand.node].sessions());
                    }
                    None => {
                        let why = lost.iter().find(|(node, _)| *node == errand.node);
                        let why = why.map(|(_, error)| error.clone());
                        let unsent = answers.iter().all(|answer| matches!(answer, Answer::Unsent));
                        match self.finds_again() && (unsent || loss == Loss::AskAgain) {
                            true => {
                                next.later.push(errand);
                                why.into_iter().for_each(|why| next.why.add(why));
                            }
                            false => why.into_iter().for_each(|why| failures.add(why)),
                        }
                    }
                }
            }
            hops += 1;
            if hops > HOPS_MOST && next.later.is_empty() {
                next.elsewhere.clear();
            }
            if !next.later.is_empty() && !patience.wait() {
                next.later.clear();
                std::mem::take(&mut next.why).0.into_iter().for_each(|why| failures.add(why));
            }
            if next.elsewhere.is_empty() && next.later.is_empty() {
                return failures.told();
            }
            errands = self.route(batch, next);
        }
    }

    /// Notes where a detour leads.
    fn follow(&mut self, errand: Errand, detour: Detour, next: &mut Next) {
        if !self.finds_again() {
            self.join();
        }
        match detour {
            Detour::Later => next.later.push(errand),
            Detour::Ask(host, port) => {
                let node = self.announced(errand.node, host, port);
                next.elsewhere.push(Errand { node, asking: true, ..errand });
            }
            Detour::Moved(slot, host, port) => {
                let node = self.announced(errand.node, host, port);
                if let Some(owners) = &mut self.owners {
                    owners[usize::from(slot)] = node as u16;
                }
                next.stale = true;
                next.elsewhere.push(Errand { node, asking: false, ..errand });
            }
        }
    }

    /// The errands of the next round, in order.
    fn route(&mut self, batch: &[Cmd], next: Next) -> Vec<Errand> {
        if self.owners.is_some() && (next.stale || !next.later.is_empty()) {
            // Where nobody tells, what is known must do.
            let _ = self.refresh();
        }
        let mut errands = next.elsewhere;
        for errand in next.later {
            let node = self.node_for(&batch[errand.commands.clone()]);
            errands.push(Errand { node, asking: false, ..errand });
        }
        errands.sort_by_key(|errand| errand.commands.start);
        errands
    }

    /// Where the answers to an errand send it. A primary that sentinels have made a replica is left.
    fn detour(&mut self, answers: &[Answer]) -> Option<Detour> {
        let errors = answers.iter().filter_map(|answer| match answer {
            Answer::Came(Value::ServerError(error)) => Some(error),
            _ => None,
        });
        for error in errors {
            if self.owners.is_none() && self.finds_again() {
                if error.code() == "READONLY" {
                    self.links[0].hang_up();
                    return Some(Detour::Later);
                }
            } else if let Some(detour) = Detour::of(error) {
                return Some(detour);
            }
        }
        None
    }

    /// Sends errands, to all nodes first, and then reads the answers. The nodes that failed, and why.
    fn round(&mut self, batch: &[Cmd], errands: &[Errand], answers: &mut [Answer]) -> Vec<(usize, Error)> {
        let mut nodes: Vec<usize> = Vec::new();
        for errand in errands {
            answers[errand.commands.clone()].fill_with(|| Answer::Unsent);
            if !nodes.contains(&errand.node) {
                nodes.push(errand.node);
            }
        }
        let mut lost = Vec::new();
        for &node in &nodes {
            if let Err(error) = self.reach(node) {
                lost.push((node, error));
                continue;
            }
            let mut packed = Vec::new();
            for errand in errands.iter().filter(|errand| errand.node == node) {
                if errand.asking {
                    cmd("ASKING").write_packed_command(&mut packed);
                }
                batch[errand.commands.clone()].iter().for_each(|command| command.write_packed_command(&mut packed));
                answers[errand.commands.clone()].fill_with(|| Answer::Lost);
            }
            if let Err(error) = self.links[node].send(&packed) {
                lost.push((node, error));
            }
        }
        for &node in &nodes {
            if lost.iter().any(|(lost, _)| *lost == node) {
                continue;
            }
            let link = &mut self.links[node];
            let mut read = || {
                for errand in errands.iter().filter(|errand| errand.node == node) {
                    if errand.asking {
                        link.receive()?;
                    }
                    for answer in &mut answers[errand.commands.clone()] {
                        *answer = Answer::Came(link.receive()?);
                    }
                }
                Ok(())
            };
            if let Err(error) = read() {
                lost.push((node, error));
            }
        }
        lost
    }

    /// Makes sure of the connection to a node.
    fn reach(&mut self, node: usize) -> Result<(), Error> {
        let link = &mut self.links[node];
        link.open()?;
        if self.untouching { link.leave_no_trace() } else { Ok(()) }
    }
}

impl Failures {
    fn add(&mut self, error: Error) {
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    /// All of them as one, of the kind of the first.
    fn told(self) -> Result<(), Error> {
        let messages: Vec<&str> = self.0.iter().map(|error| error.message.as_str()).collect();
        match self.0.first() {
            None => Ok(()),
            Some(first) => Err(Error::new(first.kind, messages.join("; "))),
        }
    }
}

/// The places of answers.
fn places(answers: &[Answer], which: fn(&Answer) -> bool) -> impl Iterator<Item = usize> {
    answers.iter().enumerate().filter(move |(_, answer)| which(answer)).map(|(at, _)| at)
}

/// Bytes of a command's words.
fn size(command: &Cmd) -> usize {
    let length = |word| if let Arg::Simple(word) = word { <[u8]>::len(word) } else { 0 };
    command.args_iter().map(length).sum()
}

impl Answer {
    /// The reply, where one came.
    pub fn came(self) -> Option<Value> {
        match self {
            Answer::Came(reply) => Some(reply),
            _ => None,
        }
    }

    fn all_came(answers: &[Answer]) -> bool {
        answers.iter().all(|answer| matches!(answer, Answer::Came(_)))
    }
}

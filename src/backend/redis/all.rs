//! What has no key and is asked of all: of the one server, or of each primary of a cluster, their answers put together.

use std::ops::ControlFlow;

use redis::{Cmd, Value, cmd};

use super::nodes::Nodes;
use super::{command, info, read, survey};
use crate::backend::survey::{Observation, Observer, Plan, Sample, Surveyed};
use crate::backend::{Error, ErrorKind, Server};
use crate::limits::Limits;

/// How many keys there are; `None` where not all answer, or the server has no such command.
pub fn count(nodes: &mut Nodes) -> Result<Option<u64>, Error> {
    let mut sum = 0_u64;
    let primaries = nodes.primaries()?;
    for count in counts(nodes, &primaries) {
        match count {
            Ok(count) => sum = sum.saturating_add(count),
            Err(Error { kind: ErrorKind::Unsupported, .. }) => return Ok(None),
            Err(Error { kind: ErrorKind::Unreachable, .. }) if primaries.len() > 1 => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(sum))
}

fn counts(nodes: &mut Nodes, primaries: &[usize]) -> Vec<Result<u64, Error>> {
    let told = each(nodes, primaries, "cannot count keys", &cmd("DBSIZE"));
    let number = |reply| match reply {
        Value::Int(count) => Ok(count.unsigned_abs()),
        reply => Err(read::odd(&reply)),
    };
    told.into_iter().map(|told| told.and_then(number)).collect()
}

/// The reply of each of `primaries`; a refusal is an error.
fn each(nodes: &mut Nodes, primaries: &[usize], doing: &str, command: &Cmd) -> Vec<Result<Value, Error>> {
    let replies = nodes.ask_each(primaries, command);
    let check = |(node, reply): (&usize, Result<Value, Error>)| nodes.link(*node).check(doing, reply?);
    primaries.iter().zip(replies).map(check).collect()
}

/// Deletes all keys.
pub fn flush(nodes: &mut Nodes) -> Result<(), Error> {
    let doing = "cannot empty the database";
    let primaries = nodes.primaries()?;
    let told = each(nodes, &primaries, doing, &command("FLUSHDB", &[b"ASYNC"]));
    let done = primaries.iter().zip(told).map(|(node, told)| match told {
        // Before Redis 4 it takes no argument, and everybody waits.
        Err(Error { kind: ErrorKind::Failed, .. }) => nodes.link(*node).ask_one(doing, cmd("FLUSHDB")),
        told => told,
    });
    let (done, failed): (Vec<_>, Vec<_>) = done.partition(Result::is_ok);
    match failed.into_iter().find_map(Result::err) {
        None => Ok(()),
        Some(error) if done.is_empty() => Err(error),
        Some(error) => {
            let message = format!("{} of {} primaries are empty; {}", done.len(), primaries.len(), error.message);
            Err(Error::new(ErrorKind::Partial, message))
        }
    }
}

/// What the servers say of themselves, as one.
pub fn server(nodes: &mut Nodes) -> Result<Server, Error> {
    if !nodes.is_cluster() {
        // What it says tells as well whether it is all there is.
        let server = info::server(nodes.link(0))?;
        if !nodes.link(0).is_clustered()? {
            return Ok(server);
        }
    }
    let primaries = nodes.primaries()?;
    let (mut servers, mut first, mut withheld) = (Vec::new(), None, Vec::new());
    for node in &primaries {
        match info::server(nodes.link(*node)) {
            Ok(server) => servers.push(server),
            Err(error) => {
                withheld.push(format!("all of {}: {}", nodes.link(*node).label(), error.message));
                first.get_or_insert(error);
            }
        }
    }
    let down = primaries.len() - servers.len();
    match (Server::joined(servers), first) {
        (Some(mut server), _) => {
            server.withheld.extend(withheld);
            server.primaries = Some(primaries.len() as u64);
            server.primaries_down = Some(down as u64);
            Ok(server)
        }
        (None, first) => Err(first.expect("a cluster has primaries, and each answers or fails")),
    }
}

/// Surveys the one server, or one primary after the other.
pub fn survey(nodes: &mut Nodes, plan: &Plan, limits: &Limits, observer: &mut dyn Observer) -> Result<Surveyed, Error> {
    let primaries = nodes.primaries()?;
    if let [node] = primaries[..] {
        return survey::survey(nodes.link(node), plan, limits, observer);
    }
    let before = nodes.holders()?;
    let samples = samples(nodes, &primaries, plan.sample);
    let mut together = Together { observer, before: 0, met: 0 };
    let (mut surveyed, mut lost) = (Surveyed::default(), Vec::new());
    for (node, sample) in primaries.iter().zip(samples) {
        let plan = Plan { sample, ..plan.clone() };
        match survey::survey(nodes.link(*node), &plan, limits, &mut together) {
            Ok(told) => {
                for words in told.withheld {
                    if !surveyed.withheld.contains(&words) {
                        surveyed.withheld.push(words);
                    }
                }
                if told.stopped {
                    return Ok(Surveyed { stopped: true, ..surveyed });
                }
            }
            Err(error) if matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Failed) => lost.push(error),
            Err(error) => return Err(error),
        }
        together.before = together.met;
    }
    // What others refuse because a node is missing says less than that it is.
    lost.sort_by_key(|error| error.kind != ErrorKind::Unreachable);
    if let Some(error) = lost.first() {
        let (count, all) = (lost.len(), primaries.len());
        let message = format!("{count} of {all} primaries were not walked over to the end: {}", error.message);
        return Err(if count == all { error.clone() } else { Error::new(ErrorKind::Partial, message) });
    }
    if nodes.holders()? != before {
        let message = "slots moved from node to node meanwhile: some entries were seen twice or not at all; \
                       the same again when they stay";
        return Err(Error::new(ErrorKind::Partial, message));
    }
    Ok(surveyed)
}

/// Each primary's part of a sample, by how many keys it has; an equal part where that is not told.
fn samples(nodes: &mut Nodes, primaries: &[usize], sample: Option<Sample>) -> Vec<Option<Sample>> {
    let Some(Sample { draws, of, seed }) = sample else { return vec![None; primaries.len()] };
    let equal = of / primaries.len() as u64;
    let part = |(at, count): (usize, Result<u64, Error>)| {
        let count = count.unwrap_or(equal);
        let share = u128::from(draws) * u128::from(count) / u128::from(of.max(1));
        Some(Sample { draws: u64::try_from(share).unwrap_or(draws), of: count, seed: seed.wrapping_add(at as u64) })
    };
    counts(nodes, primaries).into_iter().enumerate().map(part).collect()
}

/// Who watches several surveys as one.
struct Together<'a> {
    observer: &'a mut dyn Observer,
    /// Names of the surveys that are done.
    before: u64,
    /// And of this one.
    met: u64,
}

impl Observer for Together<'_> {
    fn wants_data(&mut self, key: &[u8]) -> bool {
        self.observer.wants_data(key)
    }

    fn see(&mut self, seen: &mut Observation<'_>) {
        self.observer.see(seen);
    }

    fn turn(&mut self, met: u64) -> ControlFlow<()> {
        self.met = self.before + met;
        self.observer.turn(self.met)
    }
}

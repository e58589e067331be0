//! `ping`: connect, log in, and say what is there.

use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;

use super::permissions::{self, ELSEWHERE, PERMISSIONS, Permission};
use super::{Global, target};
use crate::backend::net::{Certificate, Secured};
use crate::backend::server::Role;
use crate::backend::{Backend, Error, ErrorKind, Options, Reply, Server};
use crate::entry::Kind;
use crate::exit::{Exit, Stop};
use crate::pattern::Pattern;
use crate::render::{self, Printer, Record};

/// Connect and log in, and say what is there and what this user may do
///
/// Which server answers, how long connecting took (with TLS and login) and how long a question does, the fastest of
/// three; on Redis and Valkey which user this is, and what it may do to a key of the layout, as the server's own
/// ACL DRYRUN says. Where that may not be asked, reading is tried, and the rest is not known. Nothing is written.
///
/// Under TLS: whom the server's certificate is for and until when, with a warning in its last 14 days. Where some
/// primaries of a cluster do not answer they are named, and the status is 7; where none does, it is 5.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only print the ACL rules that each command needs on Redis, for keys of the layout; connects to nothing
    #[arg(long)]
    permissions: bool,
}

/// What a user may do.
struct Ability {
    name: &'static str,
    /// Commands of which one is enough; `KEY` stands for a key.
    commands: &'static [&'static [&'static str]],
    /// Whether to try the first of them does no harm.
    harmless: bool,
}

const KEY: &str = "KEY";

/// The table of what a user may do, by what our commands need.
const ABILITIES: &[Ability] = &[
    Ability { name: "read", commands: &[&["GET", KEY]], harmless: true },
    Ability { name: "ttl", commands: &[&["PTTL", KEY]], harmless: true },
    Ability { name: "list", commands: &[&["SCAN", "0"]], harmless: true },
    Ability { name: "stats", commands: &[&["INFO"]], harmless: true },
    Ability { name: "write", commands: &[&["SET", KEY, "x"]], harmless: false },
    Ability { name: "expire", commands: &[&["PEXPIRE", KEY, "1"]], harmless: false },
    Ability { name: "incr", commands: &[&["INCRBY", KEY, "1"]], harmless: false },
    Ability { name: "delete", commands: &[&["UNLINK", KEY], &["DEL", KEY]], harmless: false },
    Ability { name: "clear", commands: &[&["FLUSHDB"]], harmless: false },
];

/// What there is to say.
struct Report {
    place: String,
    connect: Duration,
    round_trip: Duration,
    server: Server,
    access: Option<Access>,
    tls: Option<Secured>,
    checked: bool,
}

/// Who is logged in, and what that user may do.
#[derive(Default)]
struct Access {
    user: Option<String>,
    /// The key that was asked about.
    key: String,
    may: Vec<&'static str>,
    may_not: Vec<&'static str>,
    not_known: Vec<&'static str>,
}

/// Questions of which the fastest counts.
const TRIES: usize = 3;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    if args.permissions {
        let keys = target::layout_on(Kind::Redis, global)?.sweep(&Pattern::all()).keys;
        return rules(&String::from_utf8_lossy(keys.as_bytes()), records, printer);
    }
    let layout = target::layout(global)?;
    // That commands which nobody typed go to one node of several is no remark for anybody.
    let options = Options { tell: |_| (), ..target::options(global)? };
    let connect = target::connect_by(&options, global, printer)?;
    let started = Instant::now();
    let mut backend = connect()?;
    let connect = started.elapsed();
    let backend = backend.as_mut();
    let mut round_trip = Duration::MAX;
    for _ in 0..TRIES {
        let started = Instant::now();
        ask(backend)?;
        round_trip = round_trip.min(started.elapsed());
    }
    let server = told(backend.server())?;
    let access = match backend.kind() {
        Kind::Redis => Some(access(backend, &key(&layout.sweep(&Pattern::all()).keys), server.primaries_down)?),
        _ => None,
    };
    let (place, tls) = (backend.label().to_owned(), backend.secured());
    let report = Report { place, connect, round_trip, server, access, tls, checked: !options.tls_insecure };
    match records {
        true => printer.record(&report.record())?,
        false => printer.table(&[], &report.rows())?,
    }
    if let Some(warning) = report.tls.as_ref().and_then(|tls| ending(&tls.certificate)) {
        printer.warn(&warning);
    }
    match (report.cluster(), report.server.primaries_down) {
        (Some(cluster), Some(1..)) => {
            let message = format!("{cluster}: {}", report.server.withheld.join("; "));
            Err(Stop { exit: Exit::Partial, message }.into())
        }
        _ => Ok(Exit::Yes),
    }
}

/// The table of permissions, for keys that match `pattern`.
fn rules(pattern: &str, records: bool, printer: &mut Printer) -> Result<Exit> {
    let mut rows = Vec::new();
    for Permission { command, needs, more } in PERMISSIONS {
        let all = std::iter::once((*needs, None)).chain(more.iter().map(|(rules, lost)| (*rules, Some(*lost))));
        for (rules, lost) in all {
            let rules = permissions::line(rules, pattern);
            match records {
                true => {
                    let record = Record::new().with("command", *command);
                    printer.record(&record.with("rules", rules).with("lost", lost))?;
                }
                false => {
                    let command = if lost.is_none() { *command } else { "" };
                    let lost = lost.unwrap_or(if rules.is_empty() { "" } else { "the command" });
                    rows.push([command, &*rules, lost].map(str::to_owned).to_vec());
                }
            }
        }
    }
    if !records {
        printer.table(&["command", "rules", "lost without them"], &rows)?;
        printer.note(ELSEWHERE);
    }
    Ok(Exit::Yes)
}

/// What is to be said of a certificate that ends soon, or has ended.
fn ending(certificate: &Certificate) -> Option<String> {
    let until = certificate.until_s?;
    let (days, date) = (days_left(until), date(until));
    match days {
        i64::MIN..0 => Some(format!("the server's certificate has ended, on {date}: only --tls-insecure trusts it")),
        0..SOON => {
            Some(format!("the server's certificate ends on {date}, in {}", render::count(days as u64, "day", "days")))
        }
        _ => None,
    }
}

/// Days before its end in which a certificate is warned about.
const SOON: i64 = 14;

/// Whole days from now on; -1 in the first day that is too late.
fn days_left(until_s: i64) -> i64 {
    (until_s - Timestamp::now().as_second()).div_euclid(86_400)
}

/// As RFC 3339 has it; what no calendar has, in seconds.
fn date(until_s: i64) -> String {
    Timestamp::from_second(until_s).map_or_else(|_| format!("{until_s} s after 1970"), |time| time.to_string())
}

/// One short question. That this user may not ask it is an answer, and that nobody has logged in is none.
fn ask(backend: &mut dyn Backend) -> Result<(), Error> {
    let asked = match backend.kind() {
        Kind::Redis => backend.raw(&[b"PING".to_vec()]).map(drop),
        _ => backend.count().map(drop),
    };
    match asked {
        Err(error) if !error.message.contains("NOPERM") => Err(error),
        _ => Ok(()),
    }
}

/// What the server says of itself; where it may not be asked, that.
fn told(server: Result<Server, Error>) -> Result<Server, Error> {
    match server {
        Err(error) if error.kind == ErrorKind::Denied => {
            Ok(Server { withheld: vec![error.message], ..Server::default() })
        }
        server => server,
    }
}

/// A key as the layout's are, that is hardly there: what stands before the first character that matches many.
fn key(pattern: &Pattern) -> String {
    let pattern = String::from_utf8_lossy(pattern.as_bytes()).into_owned();
    let fixed = pattern.split(['*', '?', '[', '\\']).next().unwrap_or_default();
    format!("{fixed}cachectl:ping")
}

/// Of a cluster of which some primaries are `down`, what these would say is not known.
fn access(backend: &mut dyn Backend, key: &str, down: Option<u64>) -> Result<Access, Error> {
    let user = match send(backend, &["ACL", "WHOAMI"])? {
        Some(Reply::Bytes(name) | Reply::Status(name)) => Some(String::from_utf8_lossy(&name).into_owned()),
        _ => None,
    };
    let mut access = Access { key: key.to_owned(), ..Access::default() };
    for ability in ABILITIES {
        let commands = ability.commands.iter();
        let filled = |command: &&[&'static str]| -> Vec<String> {
            command.iter().map(|word| (if *word == KEY { key } else { word }).to_owned()).collect()
        };
        let commands: Vec<Vec<String>> = commands.map(filled).collect();
        let list = match may(backend, user.as_deref(), &commands, ability.harmless, down)? {
            Some(true) => &mut access.may,
            Some(false) => &mut access.may_not,
            None => &mut access.not_known,
        };
        list.push(ability.name);
    }
    Ok(Access { user, ..access })
}

/// Whether the user may do one of `commands`; `None` where nobody says.
fn may(
    backend: &mut dyn Backend,
    user: Option<&str>,
    commands: &[Vec<String>],
    harmless: bool,
    down: Option<u64>,
) -> Result<Option<bool>, Error> {
    let mut said = None;
    for command in commands {
        let words = command.iter().map(String::as_str);
        let dry: Vec<&str> = ["ACL", "DRYRUN"].into_iter().chain(user).chain(words.clone()).collect();
        said = match send(backend, &dry)? {
            Some(Reply::Status(word)) if user.is_some() => Some(word == b"OK"),
            Some(Reply::Bytes(_)) if user.is_some() => Some(false),
            _ if harmless => {
                let tried = words.map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
                match backend.raw(&tried) {
                    Err(error) if error.kind == ErrorKind::Denied => Some(false),
                    Err(error) if error.kind == ErrorKind::Unreachable && down.unwrap_or(0) > 0 => None,
                    Err(error) if error.kind == ErrorKind::Unreachable => return Err(error),
                    _ => Some(true),
                }
            }
            _ => None,
        };
        if said != Some(false) {
            break;
        }
    }
    Ok(said)
}

/// The reply to a command; `None` where the server refuses it.
fn send(backend: &mut dyn Backend, words: &[&str]) -> Result<Option<Reply>, Error> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    match backend.raw(&words) {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if error.kind == ErrorKind::Unreachable => Err(error),
        Err(_) => Ok(None),
    }
}

impl Report {
    fn rows(&self) -> Vec<Vec<String>> {
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
        let Server { product, version, .. } = &self.server;
        let server: Vec<&str> = [product.as_deref(), version.as_deref()].into_iter().flatten().collect();
        let server = match (server.join(" "), self.role()) {
            (server, Some(role)) => format!("{server}, {role}"),
            (server, None) if server.is_empty() => "it does not say".to_owned(),
            (server, None) => server,
        };
        let mut rows = vec![
            vec!["backend", &self.place],
            vec!["server", &server],
            vec!["connected in", &ms(self.connect)],
            vec!["round trip", &ms(self.round_trip)],
        ]
        .into_iter()
        .map(|row| row.into_iter().map(str::to_owned).collect())
        .collect::<Vec<Vec<String>>>();
        let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
        if let Some(cluster) = self.cluster() {
            row("cluster", cluster);
        }
        if let Some(Secured { version, cipher, certificate }) = &self.tls {
            row("tls", format!("{version}, {cipher}"));
            let checked = if self.checked { "checked" } else { "NOT CHECKED (tls_insecure)" };
            row("certificate", format!("{checked}; sha256 {}", certificate.sha256));
            if let Some(until) = certificate.until_s {
                let names =
                    if certificate.names.is_empty() { "nobody".to_owned() } else { certificate.names.join(", ") };
                row("it is for", names);
                row("until", format!("{} ({} days)", date(until), days_left(until)));
            }
        }
        if let Some(Access { user, key, may, may_not, not_known }) = &self.access {
            row("user", user.clone().unwrap_or_else(|| "it does not say".to_owned()));
            for (name, abilities) in [("may", may), ("may not", may_not), ("not known", not_known)] {
                if !abilities.is_empty() {
                    row(name, abilities.join(", "));
                }
            }
            row("of keys like", key.clone());
        }
        self.server.withheld.iter().for_each(|what| row("withheld", what.clone()));
        rows
    }

    /// How much of a cluster answers, in words.
    fn cluster(&self) -> Option<String> {
        let (all, down) = (self.server.primaries?, self.server.primaries_down.unwrap_or(0));
        let all_words = render::count(all, "primary", "primaries");
        Some(match down {
            0 => all_words,
            1 => format!("1 of {all_words} does not answer"),
            down => format!("{down} of {all_words} do not answer"),
        })
    }

    fn role(&self) -> Option<&'static str> {
        self.server.role.map(|role| match role {
            Role::Primary => "primary",
            Role::Replica => "replica",
        })
    }

    fn record(&self) -> Record {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let access = self.access.as_ref();
        let tls = self.tls.as_ref().map(|tls| {
            let Secured { version, cipher, certificate: Certificate { sha256, names, until_s } } = tls;
            json!({
                "version": version, "cipher": cipher, "certificate_sha256": sha256, "checked": self.checked,
                "certificate_for": names, "certificate_until": until_s.map(date),
                "certificate_days": until_s.map(days_left),
            })
        });
        Record::new()
            .with("backend", self.place.clone())
            .with("product", self.server.product.clone())
            .with("version", self.server.version.clone())
            .with("role", self.role())
            .with("primaries", self.server.primaries)
            .with("primaries_down", self.server.primaries_down)
            .with("connect_us", us(self.connect))
            .with("round_trip_us", us(self.round_trip))
            .with("tls", tls)
            .with("user", access.and_then(|access| access.user.clone()))
            .with("key", access.map(|access| access.key.clone()))
            .with("may", access.map(|access| access.may.clone()))
            .with("may_not", access.map(|access| access.may_not.clone()))
            .with("not_known", access.map(|access| access.not_known.clone()))
            .with("withheld", self.server.withheld.clone())
    }
}

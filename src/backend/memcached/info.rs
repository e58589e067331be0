//! What a memcached says of itself: `stats`, and of `stats settings` what it does when it is full.

use super::link::Link;
use crate::backend::server::Said;
use crate::backend::{Error, ErrorKind, Server};

/// Commands on entries, as it counts them.
const COMMANDS: &[&str] = &[
    "cmd_get",
    "cmd_set",
    "cmd_touch",
    "delete_hits",
    "delete_misses",
    "incr_hits",
    "incr_misses",
    "decr_hits",
    "decr_misses",
];

/// Asks.
///
/// # Errors
/// When the connection fails, or the server (a proxy) does not say.
pub fn server(link: &mut Link) -> Result<Server, Error> {
    let said = ask(link, "cannot ask for its statistics", b"stats\r\n")?;
    let mut withheld = Vec::new();
    let settings = match ask(link, "cannot ask for its settings", b"stats settings\r\n") {
        Ok(settings) => settings,
        Err(error) if error.kind == ErrorKind::Unreachable => return Err(error),
        Err(_) => {
            withheld.push("stats settings: the server does not say".to_owned());
            Said::default()
        }
    };
    let counts = COMMANDS.iter().filter_map(|name| said.number(name));
    Ok(Server {
        product: Some("memcached".to_owned()),
        version: said.word("version"),
        uptime_s: said.number("uptime"),
        memory_used: said.number("bytes"),
        memory_max: said.number("limit_maxbytes"),
        policy: settings.is("evictions", "on").map(|evicts| if evicts { "lru" } else { "noeviction" }.to_owned()),
        clients: said.number("curr_connections"),
        clients_max: said.number("max_connections"),
        rejected_connections: said.number("rejected_connections"),
        commands: counts.reduce(u64::saturating_add),
        hits: said.number("get_hits"),
        misses: said.number("get_misses"),
        evicted: said.number("evictions"),
        entries: said.number("curr_items"),
        network_in: said.number("bytes_read"),
        network_out: said.number("bytes_written"),
        cpu_user_s: said.real("rusage_user"),
        cpu_sys_s: said.real("rusage_system"),
        withheld,
        ..Server::default()
    })
}

fn ask(link: &mut Link, doing: &str, request: &[u8]) -> Result<Said, Error> {
    let mut said = Said::default();
    link.ask_lines(doing, request, |line| {
        let fact = line.strip_prefix("STAT ").and_then(|fact| fact.split_once(' '));
        fact.into_iter().for_each(|(name, text)| said.take(name, text));
    })?;
    Ok(said)
}

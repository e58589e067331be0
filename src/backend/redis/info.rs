//! What a Redis says of itself: INFO, and for a user who may not ask that, what else tells some of it.
//!
//! INFO is `@dangerous`, which cautious ACLs take away; MEMORY STATS and DBSIZE are not, and HELLO is
//! everybody's. What an old server leaves out of INFO is asked of CONFIG.

use redis::{Cmd, Value, cmd};

use super::link::Link;
use super::{command, read};
use crate::backend::server::{LINES_MOST, Role, Said};
use crate::backend::{Error, ErrorKind, Server};

/// Settings that INFO has not always had (maxclients since Redis 7).
const SETTINGS: [&str; 3] = ["maxmemory", "maxmemory-policy", "maxclients"];

/// Asks.
///
/// # Errors
/// When the connection fails, or nothing at all may be asked: then what the server said to INFO.
pub fn server(link: &mut Link) -> Result<Server, Error> {
    let info = match link.ask_one("cannot ask for INFO", cmd("INFO")) {
        Ok(Value::BulkString(text)) => text,
        Ok(reply) => return Err(read::odd(&reply)),
        Err(error) if error.kind == ErrorKind::Unreachable => return Err(error),
        Err(refusal) => return without_info(link, refusal),
    };
    let said = said(&String::from_utf8_lossy(&info));
    link.is_known_to_be_clustered(said.text("cluster_enabled") == Some("1"));
    let mut server = told(&said);
    if server == Server::default() {
        let message = format!("{} answers INFO with nothing that Redis says of itself", link.label());
        return Err(Error::new(ErrorKind::Failed, message));
    }
    let missing = [server.memory_max.is_none(), server.policy.is_none(), server.clients_max.is_none()];
    let missing = SETTINGS.iter().zip(missing).filter_map(|(name, missing)| missing.then_some(*name));
    settings(link, &missing.collect::<Vec<_>>(), &mut server)?;
    Ok(server)
}

/// The lines of INFO.
fn said(info: &str) -> Said {
    let mut said = Said::default();
    for line in info.lines().take(LINES_MOST) {
        if let Some((name, text)) = line.split_once(':') {
            said.take(name, text);
        }
    }
    said
}

/// What the lines of INFO tell.
fn told(said: &Said) -> Server {
    // Valkey says which Redis it is compatible with, too.
    let valkey = said.word("valkey_version");
    let product = said.word("server_name").or_else(|| valkey.as_ref().map(|_| "valkey".to_owned()));
    let version = valkey.or_else(|| said.word("redis_version"));
    let role = role(said.text("role"));
    let (mut entries, mut expiring) = (said.text("role").map(|_| 0), said.text("role").map(|_| 0));
    for (_, text) in said.all().filter(|(name, _)| is_database(name)) {
        let add = |sum: &mut Option<u64>, more| *sum = Some(sum.unwrap_or_default().saturating_add(more));
        field(text, "keys").into_iter().for_each(|more| add(&mut entries, more));
        field(text, "expires").into_iter().for_each(|more| add(&mut expiring, more));
    }
    let slowest = said.all().filter(|(name, _)| is_numbered(name, "slave")).filter_map(|(_, text)| field(text, "lag"));
    Server {
        product: product.or_else(|| version.as_ref().map(|_| "redis".to_owned())),
        version,
        role,
        primaries: None,
        primaries_down: None,
        uptime_s: said.number("uptime_in_seconds"),
        loading: said.is("loading", "1"),
        memory_used: said.number("used_memory"),
        memory_peak: said.number("used_memory_peak"),
        memory_max: said.number("maxmemory"),
        policy: said.word("maxmemory_policy"),
        fragmentation: said.real("mem_fragmentation_ratio"),
        clients: said.number("connected_clients"),
        clients_max: said.number("maxclients"),
        clients_blocked: said.number("blocked_clients"),
        rejected_connections: said.number("rejected_connections"),
        commands: said.number("total_commands_processed"),
        ops_per_s: said.real("instantaneous_ops_per_sec"),
        hits: said.number("keyspace_hits"),
        misses: said.number("keyspace_misses"),
        expired: said.number("expired_keys"),
        evicted: said.number("evicted_keys"),
        entries,
        entries_expiring: expiring,
        replicas: said.number("connected_slaves"),
        replica_link_up: said.is("master_link_status", "up"),
        replica_lag_s: said.number("master_last_io_seconds_ago").or(slowest.max()),
        save_ok: said.is("rdb_last_bgsave_status", "ok"),
        save_changes: said.number("rdb_changes_since_last_save"),
        aof_ok: said.is("aof_last_write_status", "ok").filter(|_| said.text("aof_enabled") == Some("1")),
        network_in: said.number("total_net_input_bytes"),
        network_out: said.number("total_net_output_bytes"),
        cpu_user_s: said.real("used_cpu_user"),
        cpu_sys_s: said.real("used_cpu_sys"),
        withheld: Vec::new(),
    }
}

fn role(word: Option<&str>) -> Option<Role> {
    match word? {
        "master" => Some(Role::Primary),
        "slave" | "replica" => Some(Role::Replica),
        _ => None,
    }
}

fn is_database(name: &str) -> bool {
    is_numbered(name, "db")
}

/// Whether `name` is `what` and a number: `db0`, `slave0`.
fn is_numbered(name: &str, what: &str) -> bool {
    let number = name.strip_prefix(what).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of `name` in `keys=3,expires=0`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// What a server that refuses INFO tells in other words.
fn without_info(link: &mut Link, refusal: Error) -> Result<Server, Error> {
    let mut server = Server { withheld: vec![withheld("INFO", &refusal)], ..Server::default() };
    let mut replies = Vec::new();
    link.ask([command("MEMORY", &[b"STATS"]), cmd("DBSIZE"), cmd("HELLO")], &mut replies)?;
    let mut replies = replies.into_iter();
    let mut next = |doing: &str| link.check(doing, replies.next().unwrap_or_default());
    match next("cannot ask for MEMORY STATS") {
        Ok(reply) => {
            let said = pairs(reply);
            server.memory_used = said.number("total.allocated");
            server.memory_peak = said.number("peak.allocated");
            server.fragmentation = said.real("fragmentation");
            server.entries = said.number("keys.count");
        }
        Err(error) => server.withheld.push(withheld("MEMORY STATS", &error)),
    }
    match next("cannot ask for DBSIZE") {
        Ok(Value::Int(size)) if server.entries.is_none() => {
            server.entries = u64::try_from(size).ok();
            server.withheld.push("entries of other databases: only those of this one are counted".to_owned());
        }
        Ok(_) => {}
        Err(error) => server.withheld.push(withheld("DBSIZE", &error)),
    }
    let hello = next("cannot say hello").ok().map(pairs).unwrap_or_default();
    settings(link, &SETTINGS, &mut server)?;
    // What is told to everybody, whoever asks, is no answer.
    let nothing = Server { withheld: server.withheld.clone(), ..Server::default() };
    if server == nothing {
        return Err(refusal);
    }
    server.product = hello.word("server");
    server.version = hello.word("version");
    server.role = role(hello.text("role"));
    Ok(server)
}

/// Asks CONFIG for `names`, in one round trip.
fn settings(link: &mut Link, names: &[&str], server: &mut Server) -> Result<(), Error> {
    let mut replies = Vec::new();
    let ask = |name: &&str| -> Cmd { command("CONFIG", &[b"GET", name.as_bytes()]) };
    link.ask(names.iter().map(ask), &mut replies)?;
    let mut refused = None;
    let mut said = Said::default();
    for reply in replies {
        match link.check("cannot ask for CONFIG", reply) {
            Ok(reply) => pairs(reply).all().for_each(|(name, text)| said.take(name, text)),
            Err(error) => refused = Some(error),
        }
    }
    if let Some(refused) = refused {
        server.withheld.push(withheld(&format!("CONFIG GET {}", names.join(" ")), &refused));
    }
    server.memory_max = server.memory_max.or(said.number("maxmemory"));
    server.policy = server.policy.take().or(said.word("maxmemory-policy"));
    server.clients_max = server.clients_max.or(said.number("maxclients"));
    Ok(())
}

/// Whether HELLO was answered by a node of a cluster.
pub fn is_clustered(hello: Value) -> bool {
    pairs(hello).text("mode") == Some("cluster")
}

/// Names and values, which RESP2 has in turn and RESP3 in a map. What is no scalar is passed over.
pub fn pairs(reply: Value) -> Said {
    let items: Vec<Value> = match reply {
        Value::Array(items) => items,
        Value::Map(pairs) => pairs.into_iter().flat_map(|(name, value)| [name, value]).collect(),
        _ => Vec::new(),
    };
    let text = |value: &Value| match value {
        Value::Int(number) => Some(number.to_string()),
        Value::Double(number) => Some(number.to_string()),
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    let mut said = Said::default();
    for pair in items.chunks_exact(2) {
        if let (Some(name), Some(value)) = (text(&pair[0]), text(&pair[1])) {
            said.take(&name, &value);
        }
    }
    said
}

/// What could not be asked, and why.
fn withheld(what: &str, refusal: &Error) -> String {
    match refusal.kind {
        ErrorKind::Denied => format!("{what}: the user may not"),
        ErrorKind::Unsupported => format!("{what}: the server is too old for it, or it is renamed or switched off"),
        _ => format!("{what}: {}", refusal.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_info_are_told_apart() {
        let info = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n\r\n\
            # Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
            slave0:ip=10.0.0.1,port=6379,state=online,offset=1,lag=1\r\nslave1:ip=10.0.0.2,lag=9\r\n\
            slave_repl_offset:5\r\naof_enabled:0\r\naof_last_write_status:err\r\n\
            mem_fragmentation_ratio:-nan\r\n\
            # Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb15:keys=18446744073709551615,expires=1\r\n";
        let server = told(&said(info));
        assert_eq!((server.product.as_deref(), server.version.as_deref()), (Some("valkey"), Some("8.0.1")));
        assert_eq!((server.role, server.replicas, server.replica_lag_s), (Some(Role::Primary), Some(2), Some(9)));
        assert_eq!((server.aof_ok, server.fragmentation), (None, None));
        assert_eq!((server.entries, server.entries_expiring), (Some(u64::MAX), Some(2)));
        let replica = told(&said("role:slave\r\nmaster_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n"));
        assert_eq!((replica.role, replica.replica_link_up), (Some(Role::Replica), Some(false)));
        assert_eq!((replica.replica_lag_s, replica.entries), (None, Some(0)));
        assert_eq!(told(&said("what:is\r\nthis\r\n")), Server::default());
    }
}

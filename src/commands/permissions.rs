//! What a user of Redis or Valkey must be allowed for each command to work: rules for `ACL SETUSER`.
//!
//! One table, for `ping --permissions`, the README and whoever else shows it. The tests make each user and take each
//! rule away again.

/// What a command needs. `~` stands for the keys of the layout: `~app:*`, say.
pub struct Permission {
    /// The command.
    pub command: &'static str,
    /// Rules without any of which it is refused.
    pub needs: &'static [&'static str],
    /// Rules that it does without, and what is lost then.
    pub more: &'static [(&'static [&'static str], &'static str)],
}

/// The lengths of types other than strings.
const LENGTHS: &[&str] = &["+hlen", "+llen", "+scard", "+zcard", "+xlen"];

/// What reads the types other than strings.
const TYPES: &[&str] = &["+type", "+hscan", "+sscan", "+lrange", "+zrange", "+xrange"];

/// What no row says.
pub const ELSEWHERE: &str = "raw needs what it sends; a cluster +cluster|slots, and a walk over one +cluster|nodes; \
    +client|no-touch keeps entries that are looked at from counting as used (Redis 7.2)";

/// The table.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        command: "get",
        needs: &["+getrange", "~"],
        more: &[(&["+pttl"], "the ttl, and empty strings"), (TYPES, "all but strings")],
    },
    Permission {
        command: "set",
        needs: &["+set", "~"],
        more: &[
            (&["+getrange"], "without -s: an entry keeps its serializer"),
            (&["+pttl"], "tags that are not there, and what became of the ttl"),
            (&["+type", "+strlen"], "with -s: what became of the ttl"),
        ],
    },
    Permission {
        command: "del",
        needs: &["+unlink", "~"],
        more: &[(&["+scan"], "--match"), (&["+type", "+strlen", "+pttl"], "--dry-run")],
    },
    Permission {
        command: "invalidate",
        needs: &["+set", "~"],
        more: &[
            (&["+type", "+strlen", "+pttl"], "--dry-run"),
            (&["+unlink"], "tags of redis-tagged-cache before 0.12"),
        ],
    },
    Permission {
        command: "tags ls",
        needs: &["+scan", "+type", "+strlen", "~"],
        more: &[(&["+pttl"], "how long they stay")],
    },
    Permission {
        command: "tags check",
        needs: &["+getrange", "+type", "+strlen", "~"],
        more: &[(&["+pttl"], "how long they stay, and tags that are not there")],
    },
    Permission {
        command: "tags gc",
        needs: &["+scan", "+getrange", "+type", "+strlen", "+unlink", "~"],
        more: &[(&["+pttl"], "tags that go away meanwhile")],
    },
    Permission {
        command: "exists",
        needs: &["+type", "+strlen", "~"],
        more: &[(&["+pttl"], "keys that go away meanwhile"), (LENGTHS, "all but strings")],
    },
    Permission {
        command: "ttl",
        needs: &["+type", "+strlen", "~"],
        more: &[(&["+pttl"], "the ttl"), (LENGTHS, "all but strings")],
    },
    Permission {
        command: "expire",
        needs: &["+pexpire", "~"],
        more: &[(&["+pexpireat"], "--at"), (&["+persist", "+exists"], "--ttl never")],
    },
    Permission {
        command: "incr",
        needs: &["+incrby", "~"],
        more: &[(&["+set"], "--ttl"), (&["+multi", "+exec"], "--ttl: nobody counts between the two steps")],
    },
    Permission { command: "clear", needs: &["+scan", "+unlink", "~"], more: &[(&["+flushdb"], "--flush")] },
    Permission {
        command: "ls",
        needs: &["+scan"],
        more: &[(&["+type", "+strlen", "+pttl", "~"], "-l"), (LENGTHS, "-l of all but strings")],
    },
    Permission {
        command: "edit",
        needs: &["+watch", "+get", "+multi", "+set", "+exec", "~"],
        more: &[(&["+getrange"], "that a value over the limit is not read at all"), (&["+pttl"], "the ttl")],
    },
    Permission {
        command: "export",
        needs: &["+scan", "+getrange", "~"],
        more: &[
            (&["+pttl"], "the ttl: import asks for one; --backup needs it too"),
            (TYPES, "all but strings, and so with --backup"),
            (&["+dbsize"], "how many there are"),
        ],
    },
    Permission {
        command: "import",
        needs: &["+set", "~"],
        more: &[
            (&["+exists", "+multi", "+exec", "+del", "+hset", "+rpush", "+sadd", "+zadd", "+xadd"], "all but strings"),
            (&["+pexpireat"], "the ttl of those"),
            (&["+watch", "+unwatch"], "--if-not-exists of those"),
        ],
    },
    Permission {
        command: "copy",
        needs: &["+scan", "+getrange", "+pttl", "~"],
        more: &[(TYPES, "all but strings; the target needs what import does"), (&["+dbsize"], "how many there are")],
    },
    Permission {
        command: "diff",
        needs: &["+scan", "+getrange", "~"],
        more: &[(&["+pttl"], "empty strings"), (TYPES, "all but strings")],
    },
    Permission {
        command: "grep",
        needs: &["+scan", "+getrange", "~"],
        more: &[(&["+pttl"], "empty strings"), (TYPES, "all but strings"), (&["+dbsize"], "how many there are")],
    },
    Permission {
        command: "inspect",
        needs: &["+type", "+strlen", "+getrange", "~"],
        more: &[(&["+pttl"], "the ttl"), (&["+hlen", "+hscan"], "hashes; of other types theirs")],
    },
    Permission { command: "key", needs: &[], more: &[(&["+getrange", "+pttl", "~"], "keys with tags")] },
    Permission { command: "stats", needs: &["+info"], more: &[] },
    Permission {
        command: "stats --keys",
        needs: &["+scan"],
        more: &[
            (&["+dbsize"], "how many there are, and --sample"),
            (&["+info"], "under which policy they are evicted"),
            (&["+type", "+pttl", "+memory|usage", "+object|idletime", "~"], "the facts of these names"),
            (&["+getrange"], "codecs and classes"),
            (&["+strlen", "+hlen", "+llen", "+scard", "+zcard", "+xlen"], "--facts length"),
        ],
    },
    Permission {
        command: "bench",
        needs: &["+set", "~"],
        more: &[
            (&["+get"], "the reads: each is an error"),
            (&["+unlink"], "its entries stay until their ttl ends"),
            (&["+dbsize"], "how many other entries there are"),
            (&["+info"], "what the server says"),
        ],
    },
    Permission {
        command: "ping",
        needs: &[],
        more: &[
            (&["+ping"], "how long an answer takes, and not a refusal"),
            (&["+info"], "which server it is"),
            (&["+acl|whoami"], "who the user is"),
            (&["+acl|dryrun"], "what the user may do: reading is tried, with these commands"),
        ],
    },
];

/// Rules as one line for `ACL SETUSER`, for keys that match `pattern`.
#[must_use]
pub fn line(rules: &[&str], pattern: &str) -> String {
    let keys = format!("~{pattern}");
    let rules: Vec<&str> = rules.iter().map(|rule| if *rule == "~" { &*keys } else { rule }).collect();
    rules.join(" ")
}

//! Examples: lines that do what they say, for `-h`, `--help` and the man pages.
//!
//! A test runs each of them (`tests/it/examples.rs`), on the servers and files that they name: the profile `prod` is a
//! Redis with the entries of an application, and `value.json`, `value.bin`, `users.jsonl`, `before.json` and
//! `after.json` are there, and `undo.jsonl` and the directory of a shop.

/// A line as it would be typed, and what it does.
pub type Example = (&'static str, &'static str);

/// The examples of each command, by its name and those of the commands above it; the most telling first.
pub const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            ("cachectl set user:42 '{\"name\": \"Ada\"}' --ttl 1h", "store a value, on the embedded store"),
            ("cachectl -b redis://localhost:6379/0 get user:42", "print one that an application stored"),
            ("cachectl inspect user:42", "why it decodes as it does"),
            ("cachectl @prod ls --match 'user:*'", "list keys, on the backend of a profile"),
            ("cachectl decode -s pickle+zstd:// < value.bin", "the codec alone"),
        ],
    ),
    (
        "get",
        &[
            ("cachectl get user:42", "print a value"),
            ("cachectl get user:42 user:43 -o jsonl", "several in one round trip, a record a line"),
            ("cachectl get user:42 -o json > value.json", "to edit it: `set` takes it back"),
            ("cachectl @prod -l redis-tagged-cache://shop get report --tag orders", "one with a tag"),
        ],
    ),
    (
        "set",
        &[
            ("cachectl set user:42 '{\"name\": \"Ada\"}' --ttl 1h", "a value for an hour"),
            ("cachectl set user:42 @value.json --keep-ttl", "from a file; the ttl stays"),
            ("cachectl set point '{\"$tuple\": [1, 2]}' -s pickle+zstd://", "as a Python application would"),
            ("cachectl set token 0042 --string --if-not-exists", "text, unless there is an entry"),
            ("cachectl set --from users.jsonl", "what `get -o jsonl` printed"),
        ],
    ),
    (
        "del",
        &[
            ("cachectl del user:42", "delete an entry"),
            ("cachectl del --match 'session:*' --dry-run", "say which would go"),
            ("cachectl del --match 'session:*' --yes --backup sessions.jsonl", "delete them, and keep them in a file"),
        ],
    ),
    (
        "invalidate",
        &[
            ("cachectl invalidate users", "make every entry of a tag a miss"),
            ("cachectl @prod -l redis-tagged-cache://shop invalidate orders", "the same, as that library does"),
        ],
    ),
    ("tags", &[("cachectl @prod -l redis-tagged-cache://shop tags ls", "list the tags of a namespace")]),
    ("tags ls", &[("cachectl @prod -l redis-tagged-cache://shop tags ls", "list the tags of a namespace")]),
    (
        "tags check",
        &[("cachectl @prod -l redis-tagged-cache://shop tags check report --tag orders", "whether it is live")],
    ),
    ("tags gc", &[("cachectl @prod -l redis-tagged-cache://shop tags gc --probable --dry-run", "what no tag reaches")]),
    (
        "exists",
        &[
            ("cachectl exists user:42", "whether there is an entry"),
            ("cachectl -q exists user:42 && echo there", "in a script, by the exit status"),
        ],
    ),
    ("ttl", &[("cachectl ttl user:42 user:43", "how long they stay")]),
    (
        "expire",
        &[
            ("cachectl expire user:42 --ttl 2h", "for two hours from now"),
            ("cachectl expire user:42 --at 2300-01-01T00:00:00Z", "until then"),
            ("cachectl expire user:42 --ttl never", "for ever"),
            ("cachectl expire --match 'user:*' --ttl 1h --jitter 10m --yes", "all of them, not at the same time"),
        ],
    ),
    (
        "incr",
        &[
            ("cachectl incr visits", "count up"),
            ("cachectl incr visits --by -1", "count down"),
            ("cachectl incr requests --ttl 1m", "a counter that goes a minute after it began"),
        ],
    ),
    (
        "clear",
        &[
            ("cachectl clear -n session: --dry-run", "say what would go"),
            ("cachectl clear -n session: --yes", "delete a namespace, without a question"),
        ],
    ),
    (
        "stats",
        &[
            ("cachectl @prod stats", "what a server says of itself, and what is wrong with it"),
            ("cachectl @prod stats --keys --top", "what the entries are, and the biggest"),
            ("cachectl stats -o json", "the same names for a program"),
        ],
    ),
    (
        "bench",
        &[
            ("cachectl @prod bench --requests 10000 --yes", "how much a server can do"),
            ("cachectl @prod bench --rate 500 --duration 2s --yes", "how long users wait at such a rate"),
            ("cachectl bench -b memory: --requests 1000 --mix get=1", "reads alone, in this process"),
        ],
    ),
    ("bench compare", &[("cachectl bench compare before.json after.json --threshold 99%", "whether it got worse")]),
    (
        "ls",
        &[
            ("cachectl ls --match 'user:*'", "the keys that match"),
            ("cachectl ls -l", "with type, size and ttl"),
            ("cachectl ls -0 --match 'user:*' | xargs -0 cachectl ttl", "for another command"),
        ],
    ),
    (
        "export",
        &[
            ("cachectl export all.jsonl", "every entry, as it is stored"),
            ("cachectl @prod export --match 'user:*' > prod.jsonl", "some of them, into a pipe"),
            ("cachectl export --values --match 'user:*'", "values to read, in place of bytes"),
        ],
    ),
    (
        "import",
        &[
            ("cachectl import undo.jsonl", "bring back what export or --backup wrote"),
            ("cachectl import undo.jsonl --dry-run", "say how many"),
            ("cachectl import users.jsonl --if-not-exists", "what `get -o jsonl` printed, over nothing that is there"),
        ],
    ),
    (
        "copy",
        &[
            (
                "cachectl @prod copy disk:///var/cache/shop --match 'user:42'",
                "to a directory, to look into it in peace",
            ),
            ("cachectl copy @prod --match 'user:43' --recode pickle+zstd://", "to a server, in another codec"),
        ],
    ),
    (
        "diff",
        &[(
            "cachectl @prod diff disk:///var/cache/shop --match 'user:42' --values",
            "whether two places have the same",
        )],
    ),
    (
        "grep",
        &[
            ("cachectl grep Ada", "where a text stands, in decoded values"),
            ("cachectl @prod grep -i ada --keys-only", "in which entries of a server"),
        ],
    ),
    (
        "edit",
        &[
            ("EDITOR='sed -i s/Ada/Eve/' cachectl edit user:42", "a value, in the editor of your choice"),
            ("EDITOR='sed -i s/Eve/Ada/' cachectl @prod edit user:42 --as python", "in Python's notation"),
        ],
    ),
    (
        "inspect",
        &[
            ("cachectl inspect user:42", "stored key, ttl, each layer with its size"),
            ("cachectl @prod inspect user:42 -o jsonl", "the same as a record"),
        ],
    ),
    (
        "key",
        &[
            ("cachectl -l aiocache://shop key user:42", "the stored key"),
            ("cachectl @prod -l redis-tagged-cache://shop key report --tag orders --explain", "step by step"),
        ],
    ),
    (
        "ping",
        &[
            ("cachectl @prod ping", "which server it is, what one may do"),
            ("cachectl -b memcached://localhost:11211 ping -o json", "for a program"),
        ],
    ),
    (
        "raw",
        &[
            ("cachectl @prod raw OBJECT ENCODING user:42", "any command of Redis"),
            ("cachectl @prod -o json raw HGETALL user:42:seen", "its reply as a value"),
        ],
    ),
    (
        "decode",
        &[
            ("cachectl decode value.bin", "what the bytes show"),
            ("cachectl decode -s pickle+zstd:// < value.bin", "by these layers and no others"),
        ],
    ),
    (
        "encode",
        &[
            ("cachectl encode -s pickle+zstd:// '{\"$tuple\": [1, 2]}' > value.bin", "the bytes of a value"),
            ("cachectl encode -s json+gzip:// @value.json | gzip -d", "for another program"),
        ],
    ),
    ("config", &[("cachectl @prod config show", "what holds, and who said it")]),
    (
        "config show",
        &[
            ("cachectl @prod config show", "what holds, and who said it"),
            ("cachectl config show -o jsonl", "the same as records"),
        ],
    ),
    (
        "config check",
        &[
            ("cachectl config check", "whether all profiles are right"),
            ("cachectl -q config check && echo right", "in a script, by the exit status"),
        ],
    ),
    (
        "completions",
        &[
            ("cachectl completions bash > ~/.local/share/bash-completion/completions/cachectl", "bash"),
            ("cachectl completions zsh > ~/.zfunc/_cachectl", "zsh, where ~/.zfunc is in fpath"),
            ("cachectl completions fish > ~/.config/fish/completions/cachectl.fish", "fish"),
        ],
    ),
    ("help", &[("cachectl help tags gc", "all of a command"), ("cachectl help serializers", "all of a topic")]),
];

/// The examples of the command that is called `path`, such as `tags gc`; of `cachectl` itself where that is empty.
#[must_use]
pub fn examples(path: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(command, _)| *command == path).map_or(&[], |(_, examples)| examples)
}

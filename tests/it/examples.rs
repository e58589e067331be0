//! Every example that is shown somewhere is run as it stands: those of the help and the man pages, which are one table,
//! and those of the README.

use cachectl::cli::{EXAMPLES, definition};

use crate::env::{Env, Ran};
use crate::server::{Memcached, Server};

/// What examples take to be there: servers, the entries and the files of an application, a profile.
pub struct World {
    redis: Server,
    memcached: Memcached,
    shell: Env,
}

/// Makes what examples are about. What one has changed is as it was.
const PREPARATION: &str = r#"
    mkdir -p ~/.local/share/bash-completion/completions ~/.zfunc ~/.config/fish/completions
    cachectl -q set user:42 '{"name": "Ada"}' --ttl 1h --tag users
    cachectl -q set user:43 '{"name": "Eve"}' --ttl 1h
    cachectl -q set session:1 '[1]'
    cachectl -q get user:42 -o json > value.json
    cachectl -q get user:42 user:43 -o jsonl > users.jsonl
    cachectl -q encode -s pickle+zstd:// '{"$tuple": [1, 2]}' > value.bin
    cachectl @prod -q -s pickle+zstd:// set user:42 '{"name": "Ada"}' --ttl 1h
    cachectl @prod -q raw HSET user:42:seen 2026 3
    cachectl @prod -q copy disk:///var/cache/shop --match user:42
    rm -f undo.jsonl all.jsonl && cachectl -q export undo.jsonl
    cachectl @prod -q -l redis-tagged-cache://shop set report '{"total": 98}' --tag orders
    cachectl @prod -q -l redis-tagged-cache://shop invalidate orders
    cachectl @prod -q -l redis-tagged-cache://shop set report '{"total": 99}' --tag orders
    cachectl -q -b memory: bench --requests 100 -o json > before.json && cp before.json after.json
"#;

impl World {
    pub fn new() -> World {
        let (redis, memcached) = (Server::start(&[]), Memcached::start(&[]));
        let binaries = std::path::Path::new(env!("CARGO_BIN_EXE_cachectl")).parent().unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        let world = World { redis, memcached, shell: Env::of("/bin/sh").with("PATH", path).with("EDITOR", "true") };
        let profiles = world.shell.path("config/cachectl");
        std::fs::create_dir_all(&profiles).unwrap();
        let prod = world.here("[profile.prod]\nbackend = \"redis://localhost:6379/0\"\n");
        std::fs::write(profiles.join("config.toml"), prod).unwrap();
        world
    }

    /// `text` as it is for this world: its servers have other ports, and its files another directory.
    pub fn here(&self, text: &str) -> String {
        let memcached = self.memcached.url().rsplit_once(':').unwrap().1.to_owned();
        let directory = self.shell.path("shop").display().to_string();
        let text = text.replace("6379", &self.redis.port.to_string()).replace("11211", &memcached);
        text.replace("/var/cache/shop", &directory)
    }

    /// What this world printed, as it stands in the README.
    pub fn there(&self, text: &str) -> String {
        let directory = self.shell.path("shop").display().to_string();
        text.replace(&directory, "/var/cache/shop").replace(&self.redis.port.to_string(), "6379")
    }

    /// What the shell makes of `line`.
    pub fn run(&self, line: &str) -> Ran {
        self.shell.run(["-c", &self.here(line)])
    }

    fn prepare(&self) {
        let ran = self.run(&format!("set -e\n{PREPARATION}"));
        assert_eq!((ran.status, ran.stderr().as_str()), (Some(0), ""), "{ran}");
    }

    /// Runs an example: it succeeds, and there is something to see or a file of it.
    fn check(&self, line: &str) {
        let ran = self.run(line);
        assert_eq!(ran.status, Some(0), "{ran}");
        let told = !ran.stdout.is_empty() || !ran.stderr.is_empty();
        assert!(told || line.contains(" > "), "nothing is shown: {ran}");
        if let Some((_, file)) = line.rsplit_once(" > ") {
            let ran = self.run(&format!("test -s {file}"));
            assert_eq!(ran.status, Some(0), "`{line}` leaves {file} empty: {ran}");
        }
    }
}

#[test]
fn every_example_of_the_help_works() {
    let world = World::new();
    for (_, examples) in EXAMPLES {
        world.prepare();
        examples.iter().for_each(|(line, _)| world.check(line));
    }
}

#[test]
fn every_command_has_an_example_and_every_example_its_command() {
    let definition = definition();
    let paths: Vec<String> = crate::help::paths(&definition);
    for path in &paths {
        let lines = cachectl::cli::examples(path);
        let what = format!("`cachectl {path}`: its examples are a row of EXAMPLES in src/cli/examples.rs");
        assert!(!lines.is_empty(), "{what}");
        let names = |line: &str| path.is_empty() || line.contains(&format!(" {path}"));
        assert!(lines.iter().all(|(line, _)| names(line)), "{what}");
    }
    for (command, _) in EXAMPLES {
        assert!(paths.iter().any(|path| path == command), "there is no command `{command}`");
    }
}

/// Blocks for a shell, and lines in the text; those that build the program or run these tests are not run here.
#[test]
fn every_example_of_the_readme_works() {
    let world = World::new();
    world.prepare();
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).flat_map(|rest| rest.split("```").next().unwrap().lines());
    let spans = readme.split("```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2));
    let spans = spans.filter(|span| !span.contains(|c: char| c.is_ascii_uppercase() || c == '\n'));
    let lines = blocks.chain(spans).map(|line| line.replace("cargo run --release --", "cachectl"));
    let lines: Vec<String> = lines.filter(|line| line.starts_with("cachectl ")).collect();
    assert!(lines.len() >= 7, "{lines:?}");
    for line in lines {
        let line = line.split(" # ").next().unwrap().trim_end();
        world.check(line);
        if line.contains(" del ") {
            world.prepare();
        }
    }
}

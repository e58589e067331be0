//! Help: `-h` fits a screen, `--help` begins with examples, and `help` knows commands and topics.

use cachectl::backend::BACKENDS;
use cachectl::cli::{FORMS, TOPICS, definition};
use cachectl::codec::LAYERS;
use cachectl::exit::STATUSES;
use cachectl::layout::LAYOUTS;
use cachectl::limits::LIMITS;
use cachectl::value::typed_json;

use crate::env::Env;

/// What each command is called, those above it first: `tags gc`; the whole is called nothing.
pub fn paths(definition: &clap::Command) -> Vec<String> {
    let mut paths = vec![String::new()];
    for command in definition.get_subcommands() {
        let inner = paths_under(command);
        paths.extend(inner);
    }
    paths
}

fn paths_under(command: &clap::Command) -> Vec<String> {
    let inner = command.get_subcommands().flat_map(paths_under);
    let inner = inner.map(|path| format!("{} {path}", command.get_name())).collect::<Vec<_>>();
    [vec![command.get_name().to_owned()], inner].concat()
}

/// `cachectl PATH MORE`, as words.
fn words<'a>(path: &'a str, more: &'a str) -> Vec<&'a str> {
    path.split(' ').chain([more]).filter(|word| !word.is_empty()).collect()
}

#[test]
fn the_short_help_of_every_command_fits_a_screen() {
    let env = Env::new();
    for path in paths(&definition()) {
        let help = env.ok(words(&path, "-h"));
        let lines = help.lines().count();
        assert!((24..=40).contains(&lines), "`cachectl {path} -h` has {lines} lines:\n{help}");
        let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "`cachectl {path} -h`: {wide:?}");
    }
}

#[test]
fn the_long_help_of_every_command_begins_with_examples() {
    let env = Env::new();
    for path in paths(&definition()) {
        let help = env.ok(words(&path, "--help"));
        let place = |part: &str| help.find(part).unwrap_or_else(|| panic!("no {part} in {help}"));
        let first = cachectl::cli::examples(&path)[0].0;
        assert!(place("\nExamples:\n") < place(first) && place(first) < place("\nUsage: cachectl"), "{help}");
        assert!(place("\nUsage: cachectl") < place("--help"), "{help}");
        let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "`cachectl {path} --help`: {wide:?}");
        let mut help_of = vec!["help"];
        help_of.extend(words(&path, ""));
        assert_eq!(env.ok(help_of), help);
    }
}

#[test]
fn every_row_of_every_table_is_in_its_topic() {
    let env = Env::new();
    let topic = |name: &str| env.ok(["help", name]).split_whitespace().collect::<Vec<_>>().join(" ");
    let has = |name: &str, parts: &[&str]| {
        let text = topic(name);
        parts.iter().for_each(|part| assert!(text.contains(part), "{part}: {text}"));
    };
    BACKENDS.iter().for_each(|row| has("backends", &[&[row.example, row.about], row.schemes].concat()));
    LAYOUTS.iter().for_each(|row| has("layouts", &[row.example, row.about]));
    for row in LAYERS {
        has("serializers", &[&[row.about], row.names].concat());
        for one in row.parameters {
            let default = format!("[default: {}]", one.default);
            has("serializers", &[one.name, one.about, &default]);
        }
    }
    STATUSES.iter().for_each(|(exit, about)| has("exit-codes", &[&format!(" {} {about}", *exit as u8)]));
    LIMITS.iter().for_each(|row| has("limits", &[row.name, row.about]));
    typed_json::forms().for_each(|form| has("typed-json", &[form]));
    for topic in TOPICS {
        let text = env.ok(["help", topic.name]);
        // A word that is long by itself stands out.
        let wide = |line: &&str| line.chars().count() > 80 && line.rfind(' ').is_some_and(|at| at >= 40);
        let wide: Vec<&str> = text.lines().filter(wide).collect();
        assert!(wide.is_empty(), "{}: {wide:?}", topic.name);
    }
}

#[test]
fn every_form_of_typed_json_is_what_it_is_said_to_be() {
    let env = Env::new();
    for (json, python) in FORMS {
        let bytes = env.run(["encode", "-s", "pickle://", "--json", json]);
        assert_eq!(bytes.status, Some(0), "{bytes}");
        let decoded = |output: &str| env.feed(["decode", "-s", "pickle://", "-o", output], &bytes.stdout).ok();
        assert_eq!(decoded("json"), format!("{json}\n"));
        assert_eq!(decoded("python"), format!("{python}\n"));
    }
}

#[test]
fn a_name_that_is_none_is_a_slip() {
    let env = Env::new();
    let told = env.fails(["help", "serialisers"], 2);
    assert!(told.contains("`serialisers`") && told.contains("did you mean `serializers`?"), "{told}");
    let told = env.fails(["help", "tags", "limits"], 2);
    assert!(told.contains("expected one of ls, check, gc"), "{told}");
    env.fails(["help", "get", "set"], 2);
}

/// Who looks up how a file of profiles is written has a wrong one, maybe.
#[test]
fn help_and_completions_need_no_right_file_of_profiles() {
    let env = Env::new();
    std::fs::create_dir(env.path("config/cachectl")).unwrap();
    env.file("config/cachectl/config.toml", "profile = 1");
    env.fails(["get", "x"], 2);
    for args in [&["help"][..], &["help", "get"], &["help", "limits"], &["completions", "bash"], &["get", "-h"]] {
        env.ok(args);
    }
    assert!(env.ok(["completions", "bash", "--", "cachectl", "pi"]).starts_with("ping\t"));
}

#[test]
fn a_topic_is_no_command() {
    let definition = definition();
    for topic in TOPICS {
        assert!(definition.find_subcommand(topic.name).is_none(), "`{}` is both", topic.name);
    }
}

//! What is let in: the licences of all crates in the tree, and of those that are asked for, what each is for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Crates that no line of the program names.
const UNNAMED: &[&str] = &["idna_adapter"];

/// A crate that is asked for by name, and why.
struct Wanted {
    name: String,
    why: String,
}

/// The crates under a heading of `Cargo.toml`.
fn wanted(heading: &str) -> Vec<Wanted> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split_once(&format!("[{heading}]\n")).unwrap().1.split("\n[").next().unwrap();
    let lines = section.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, rest) = line.split_once(" = ").unwrap();
            let why = rest.split_once(" # ").map_or("", |(_, why)| why).trim().to_owned();
            Wanted { name: name.to_owned(), why }
        })
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `CACHECTL_BLESS=1` writes the table anew.
#[test]
fn the_table_says_what_each_is_for() {
    let table = |heading| {
        let rows = wanted(heading).into_iter().map(|Wanted { name, why }| {
            assert!(!why.is_empty(), "{name} in Cargo.toml: a comment at the end of its line says why it is there");
            format!("| `{name}` | {} |\n", why.replace('|', "\\|"))
        });
        format!("| crate | for |\n|---|---|\n{}", rows.collect::<String>())
    };
    let tables = format!("{}\nFor the tests and benchmarks:\n\n{}", table("dependencies"), table("dev-dependencies"));
    let path = root().join("CONTRIBUTING.md");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find("| crate | for |").unwrap();
    if std::env::var_os("CACHECTL_BLESS").is_some() {
        fs::write(&path, format!("{}{tables}", &text[..start])).unwrap();
    } else {
        assert_eq!(&text[start..], tables, "CACHECTL_BLESS=1 cargo test --locked --test it the_table_says");
    }
}

#[test]
fn what_is_asked_for_is_used() {
    let read = |folders: &[&str]| {
        let mut all = String::new();
        let mut left: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
        all
    };
    let sides = [("dependencies", read(&["src"])), ("dev-dependencies", read(&["tests/it", "tests/bench", "src"]))];
    for (heading, text) in sides {
        for Wanted { name, .. } in wanted(heading) {
            let called = match name.as_str() {
                "md-5" => "md5".to_owned(),
                name => name.replace('-', "_"),
            };
            let is_used = text.contains(&format!("{called}::")) || text.contains(&format!("use {called}"));
            assert_eq!(is_used, !UNNAMED.contains(&name.as_str()), "{name}, in [{heading}]");
        }
    }
}

#[test]
fn every_licence_in_the_tree_is_one_we_allow() {
    let config = fs::read_to_string(root().join(".deny.toml")).unwrap();
    let allowed = allowed(&config);
    assert!(allowed.contains("MIT") && !allowed.contains("GPL-3.0-only"), "{allowed:?}");
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Only this platform's packages: others may never have been downloaded here.
    let args = ["metadata", "--locked", "--offline", "--format-version=1", "--filter-platform", host];
    let cargo = Command::new(env!("CARGO")).args(args).current_dir(root()).output().unwrap();
    assert!(cargo.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{} packages", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(permits(licence, &allowed), "{} is under {licence}, which .deny.toml does not allow", package["name"]);
    }
}

/// The strings of `allow = [ … ]` under `[licenses]`.
fn allowed(config: &str) -> BTreeSet<&str> {
    let (_, licences) = config.split_once("[licenses]").unwrap();
    let (_, list) = licences.split_once("allow = [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    list.split('"').skip(1).step_by(2).collect()
}

/// Whether an SPDX expression can be satisfied with `allowed`. `AND` binds tighter than `OR`;
/// `/` is how older packages write `OR`; `X WITH Y` must be allowed as such.
fn permits(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let expression = expression.replace('/', " OR ");
    let Some(open) = expression.rfind('(') else {
        let any = |alternative: &str| alternative.split(" AND ").all(|name| allowed.contains(name.trim()));
        return expression.split(" OR ").any(any);
    };
    // The innermost parentheses become one word that is, or is not, allowed.
    let Some(close) = expression[open..].find(')').map(|at| open + at) else { return false };
    let inner = if permits(&expression[open + 1..close], allowed) { "yes" } else { "no" };
    let mut allowed = allowed.clone();
    allowed.insert("yes");
    permits(&format!("{}{inner}{}", &expression[..open], &expression[close + 1..]), &allowed)
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT", "ISC", "A WITH B"]);
    for yes in ["MIT", "GPL OR MIT", "GPL/MIT", "MIT AND ISC", "(GPL OR MIT) AND ISC", "A WITH B", "GPL OR MIT AND ISC"]
    {
        assert!(permits(yes, &allowed), "{yes}");
    }
    for no in
        ["GPL", "", "none", "MIT AND GPL", "(MIT OR ISC) AND GPL", "A", "A WITH C", "(MIT", "GPL AND (MIT OR ISC)"]
    {
        assert!(!permits(no, &allowed), "{no}");
    }
}

//! `bench compare`: that a change is told from chance, and that what cannot be compared is not.

use serde_json::{Value, json};

use crate::env::Env;

/// A record as `bench -o json` prints it, whose runs have these throughputs and 99th percentiles.
fn record(runs: &[(f64, f64)]) -> Value {
    let row = |(throughput, p99): &(f64, f64)| {
        ["get", "all"].map(|operation| {
            json!({"operation": operation, "throughput": throughput, "p50_us": 100, "p99_us": p99, "p99.9_us": 900})
        })
    };
    json!({
        "schema": "cachectl.bench/1", "backend": "memory", "loop": "closed", "clients": 50, "pipeline": 1,
        "threads": 1, "keys": 10_000, "key_distribution": "uniform", "mix": "get=1", "value_size": "64",
        "errors": 0, "ended_early": null, "offered": null, "each_run": runs.iter().map(row).collect::<Vec<_>>(),
    })
}

/// The status of comparing `a` with `b`, and what was said.
fn compare(a: &Value, b: &Value, args: &[&str]) -> (Option<i32>, String, String) {
    let env = Env::new();
    let (a, b) = (env.file("a.json", a.to_string()), env.file("b.json", b.to_string()));
    let files = ["bench", "compare", a.to_str().unwrap(), b.to_str().unwrap()];
    let ran = env.run([&files[..], args].concat());
    (ran.status, String::from_utf8_lossy(&ran.stdout).into_owned(), ran.stderr())
}

#[test]
fn a_change_is_told_from_chance() {
    let steady = record(&[(1000.0, 200.0), (1010.0, 202.0), (990.0, 198.0)]);
    let slower = record(&[(900.0, 200.0), (909.0, 202.0), (891.0, 198.0)]);
    let later = record(&[(1000.0, 240.0), (1010.0, 242.0), (990.0, 238.0)]);
    // As much slower as `slower` on average, but no run is like another.
    let shaky = record(&[(600.0, 200.0), (900.0, 200.0), (1350.0, 200.0)]);
    let (once, slower_once) = (record(&[(1000.0, 200.0)]), record(&[(900.0, 200.0)]));
    for (a, b, args, status) in [
        (&steady, &steady, &[][..], 0),
        (&steady, &slower, &[], 1),
        (&slower, &steady, &[], 0),
        (&steady, &later, &[], 1),
        (&later, &steady, &[], 0),
        (&steady, &shaky, &[], 0),
        (&steady, &slower, &["--threshold", "11%"], 0),
        (&steady, &later, &["--threshold", "19"], 1),
        (&once, &slower_once, &[], 1),
        (&slower_once, &once, &[], 0),
        (&steady, &slower_once, &[], 1),
    ] {
        let (found, stdout, stderr) = compare(a, b, args);
        assert_eq!(found, Some(status), "{args:?}: {stdout}{stderr}");
        assert!(stderr.is_empty(), "{stderr}");
    }
}

#[test]
fn what_is_told_is_a_table_a_record_or_rows() {
    let (a, b) = (record(&[(1000.0, 200.0), (1010.0, 200.0)]), record(&[(505.0, 200.0), (500.0, 200.0)]));
    let (_, text, _) = compare(&a, &b, &[]);
    assert!(text.contains("2 runs on memory") && text.contains("0.500") && text.contains("worse"), "{text}");
    assert!(text.contains("more than 5 %, and the interval is without 1"), "{text}");
    let (_, text, _) = compare(&a, &record(&[(500.0, 200.0)]), &[]);
    assert!(text.contains("by the ratio alone where a side has one run"), "{text}");

    let (_, json, _) = compare(&a, &b, &["-o", "json"]);
    let told: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&told["schema"], &told["worse"]), (&json!("cachectl.bench.compare/1"), &json!(true)), "{told}");
    let row = &told["comparisons"][0];
    assert_eq!(
        (&row["operation"], &row["metric"], &row["verdict"]),
        (&json!("get"), &json!("throughput"), &json!("worse"))
    );
    let number = |name: &str| row[name].as_f64().unwrap();
    assert!((number("ratio") - 0.5).abs() < 1e-6, "{row}");
    // Both have the logarithms' variance ln(1.01)²/2: two degrees of freedom, and t is 4.30265.
    let width = 4.30265 * (1.01_f64.ln().powi(2) / 2.0).sqrt();
    assert!((number("ratio_low") - 0.5 * (-width).exp()).abs() < 1e-5, "{row}");
    assert!((number("ratio_high") - 0.5 * width.exp()).abs() < 1e-5, "{row}");

    let (_, csv, _) = compare(&a, &record(&[(500.0, 200.0)]), &["-o", "csv"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "operation,metric,a,b,ratio,ratio_low,ratio_high,verdict");
    assert!(lines[1].starts_with("get,throughput,1004.988,500.0,0.497") && lines[1].ends_with(",,,worse"), "{csv}");
    assert_eq!(lines.len(), 1 + 2 * 4, "{csv}");
}

#[test]
fn what_cannot_be_compared_is_not() {
    let good = record(&[(1000.0, 200.0)]);
    let with = |name: &str, value: Value| {
        let mut record = good.clone();
        record[name] = value;
        record
    };
    for (other, part) in [
        (json!([1]), "it has no schema"),
        (json!("text"), "it has no schema"),
        (with("schema", json!("cachectl.bench/0")), "its schema is cachectl.bench/0, and not cachectl.bench/1"),
        (with("each_run", json!([])), "it has no runs"),
        (with("each_run", json!([1])), "it has no runs"),
        (with("each_run", json!([[]])), "no operation is in"),
        (record(&[(0.0, 200.0)]), "run 1 has no throughput above 0 for get"),
        (record(&[(1.0, 200.0), (1.0, -1.0)]), "run 2 has no p99_us above 0 for get"),
        (with("clients", json!(1)), "clients is 50"),
        (with("pipeline", json!(16)), "pipeline is 1"),
        (with("mix", json!("set=1")), "mix is \"get=1\""),
        (with("value_size", json!("1024")), "value_size is \"64\""),
        (with("loop", json!("open")), "loop is \"closed\""),
        (with("offered", json!({"asked": 10})), "offered/asked is null"),
    ] {
        let (status, stdout, stderr) = compare(&good, &other, &[]);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{part}: {stderr}");
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    for (other, part) in [
        (with("threads", json!(2)), "threads is 1"),
        (with("ended_early", json!("it died")), "ended early: it died"),
        (with("errors", json!(3)), "has 3 errors"),
    ] {
        let (status, _, stderr) = compare(&good, &other, &[]);
        assert!(status == Some(0) && stderr.contains(part), "{part}: {stderr}");
    }
    let env = Env::new();
    let (good, text) = (env.file("a.json", good.to_string()), env.file("b.json", "no json"));
    let (good, text) = (good.to_str().unwrap(), text.to_str().unwrap());
    assert!(env.fails(["bench", "compare", good, text], 2).contains("not what bench -o json prints"));
    assert!(env.fails(["bench", "compare", good, "/nowhere.json"], 2).contains("cannot open"));
    assert!(env.fails(["bench", "compare", good, good, "-o", "python"], 2).contains("bench prints no values"));
    assert!(env.fails(["bench", "--runs", "2", "compare", good, good], 2).contains("cannot be used"));
}

/// The rates at which two sweeps end are what they have found, and no settings.
#[test]
fn of_two_sweeps_the_knees_are_compared() {
    let sweep = |knee: Value| {
        let mut record = record(&[(1000.0, 200.0)]);
        record["offered"] = json!({"asked": knee});
        record["sweep"] = json!({"knee": knee, "cut_short": false, "steps": []});
        record
    };
    let (low, high) = (sweep(json!(40_000)), sweep(json!(50_000)));
    for (a, b, args, status, verdict) in [
        (&low, &high, &[][..], 0, "better"),
        (&high, &low, &[], 1, "worse"),
        (&high, &low, &["--threshold", "21%"], 0, "same"),
        (&low, &low, &[], 0, "same"),
    ] {
        let (found, stdout, stderr) = compare(a, b, &[args, &["-o", "csv"]].concat());
        assert_eq!((found, stderr.as_str(), stdout.lines().count()), (Some(status), "", 2), "{stdout}");
        assert!(stdout.contains("\nall,knee,") && stdout.ends_with(&format!(",,,{verdict}\n")), "{stdout}");
    }
    let (_, text, _) = compare(&low, &high, &[]);
    for part in ["a.json, a sweep on memory", "knee per s  40,000  50,000  1.250", "to within 5 %"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let mut short = high.clone();
    short["sweep"]["cut_short"] = json!(true);
    let (status, _, stderr) = compare(&low, &short, &[]);
    assert!(status == Some(0) && stderr.contains("the time was up before the search for the knee was"), "{stderr}");
    for (other, part) in [
        (sweep(Value::Null), "no rate that was tried is borne, so there is no knee"),
        (record(&[(1000.0, 200.0)]), "is of a sweep and"),
    ] {
        let (status, _, stderr) = compare(&low, &other, &[]);
        assert!(status == Some(2) && stderr.contains(part), "{stderr}");
    }
}

#[test]
fn what_bench_prints_can_be_compared() {
    let env = Env::new();
    let sweep = ["-b", "memory:", "bench", "--sweep=5s", "--clients", "2", "--key-count", "20", "-o", "json"];
    let told: Value = serde_json::from_str(&env.ok(sweep)).unwrap();
    let (status, stdout, stderr) = compare(&told, &told, &[]);
    assert!(status == Some(0) && stdout.contains("knee per s"), "{stdout}{stderr}");
    let load = ["-b", "memory:", "bench", "-o", "json", "--requests", "200", "--clients", "2", "--key-count", "20"];
    let told: Value = serde_json::from_str(&env.ok([&load[..], &["--runs", "3"]].concat())).unwrap();
    assert_eq!(told["each_run"].as_array().unwrap().len(), 3, "{told}");
    let (status, stdout, stderr) = compare(&told, &told, &["-o", "csv"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    let names = ["get", "set", "all"];
    let all = names.iter().all(|name| stdout.contains(&format!("\n{name},p99.9_us,")));
    assert!(all && stdout.lines().skip(1).all(|line| line.ends_with(",same")), "{stdout}");
}

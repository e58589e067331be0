//! The application on the other side: the real cachetory, synchronous and asynchronous.
//!
//! One Python process makes any number of calls, each with a serializer of its own, because
//! starting it costs more than all of them.

use serde_json::{Value as Json, json};

use crate::python;

/// Which of cachetory's two caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Sync,
    Async,
}

/// Both.
pub const MODES: [Mode; 2] = [Mode::Sync, Mode::Async];

/// One method call on a cache.
#[derive(Clone, Debug)]
pub struct Call(Json);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Written, or deleted.
    Done,
    /// A value, as Python's `repr` and the name of its type.
    Value(String, String),
    /// No such key.
    Miss,
    /// An exception: its class and text.
    Error(String),
}

impl Call {
    /// Stores the value of a Python expression, for good.
    pub fn set(key: &str, serializer: &str, expr: &str) -> Call {
        Call(json!({"do": "set", "key": key, "serializer": serializer, "expr": expr}))
    }

    /// The same, for so long.
    pub fn ttl_ms(mut self, ttl_ms: u64) -> Call {
        self.0["ttl_ms"] = json!(ttl_ms);
        self
    }

    /// Reads.
    pub fn get(key: &str, serializer: &str) -> Call {
        Call(json!({"do": "get", "key": key, "serializer": serializer}))
    }

    /// Deletes.
    pub fn delete(key: &str) -> Call {
        Call(json!({"do": "delete", "key": key, "serializer": "noop://"}))
    }
}

impl Answer {
    /// The answer of a `get` that should find what Python prints as `repr`.
    pub fn value(repr: &str, kind: &str) -> Answer {
        Answer::Value(repr.to_owned(), kind.to_owned())
    }
}

/// Makes `calls` on one cachetory cache over the backend at `url`; their answers, in order.
pub fn calls(mode: Mode, url: &str, prefix: &str, calls: &[Call]) -> Vec<Answer> {
    let mode = if mode == Mode::Sync { "sync" } else { "async" };
    let calls: Vec<&Json> = calls.iter().map(|call| &call.0).collect();
    let order = json!({"mode": mode, "url": url, "prefix": prefix, "calls": calls});
    let answers = python::feed(include_str!("interop.py"), order.to_string().as_bytes());
    let answers: Vec<Json> = serde_json::from_str(&answers).expect("the program prints JSON");
    assert_eq!(answers.len(), calls.len());
    answers.iter().map(answer).collect()
}

fn answer(json: &Json) -> Answer {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    match (text("repr"), text("type"), text("error")) {
        (Some(repr), Some(kind), _) => Answer::Value(repr, kind),
        (_, _, Some(error)) => Answer::Error(error),
        _ if json["miss"] == true => Answer::Miss,
        _ => Answer::Done,
    }
}

#[test]
fn the_other_side_reads_what_it_wrote() {
    let pickle = "pickle+zstd://?pickle-protocol=4";
    for mode in MODES {
        let answers = calls(
            mode,
            "memory://",
            "p:",
            &[
                Call::set("a", pickle, "{'at': datetime.date(2026, 1, 2), 'is': (1, None)}").ttl_ms(60_000),
                Call::get("a", pickle),
                Call::get("a", "json://"),
                Call::delete("a"),
                Call::delete("a"),
                Call::get("a", pickle),
                Call::set("b", "json://", "{1, 2}"),
                Call::set("c", "msgpack://", "None").ttl_ms(0),
            ],
        );
        assert_eq!(
            answers[..2],
            [Answer::Done, Answer::value("{'at': datetime.date(2026, 1, 2), 'is': (1, None)}", "dict")]
        );
        assert!(matches!(&answers[2], Answer::Error(error) if error.starts_with("UnicodeDecodeError")), "{answers:?}");
        assert_eq!(answers[3..6], [Answer::Done, Answer::Miss, Answer::Miss]);
        assert!(matches!(&answers[6], Answer::Error(error) if error.starts_with("TypeError")), "{answers:?}");
        assert_eq!(answers[7], Answer::Done);
    }
}

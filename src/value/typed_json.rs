//! Typed JSON: any value as JSON, and back, with nothing lost.
//!
//! What JSON holds exactly is itself: null, booleans, integers, finite floats, strings,
//! arrays (lists) and objects (dicts with string keys). All else is an object with one `$` name:
//!
//! - `{"$bytes": "base64"}`, `$bytearray`
//! - `{"$tuple": […]}`, `$set`, `$frozenset`; `$list` only as the `args` of an object
//! - `{"$dict": [[k, v], …]}`: a dict with a key that is no string, begins with `$`, comes twice, or
//!   has lone surrogates
//! - `{"$int": "0x…"}`: an integer of more than 4300 digits, which Python does not read in decimal
//! - `{"$float": "nan"}`, or `inf`, `-inf`; `nan:7ff8000000000001` for a NaN of other bits than Python's
//! - `{"$str": "a\\udc80"}`: text with lone surrogates, each `\u` and four hexadecimal digits; a
//!   backslash is two
//! - `{"$complex": [re, im]}`, `{"$range": [start, stop, step]}`, `{"$fraction": [n, d]}`
//! - `{"$datetime": "2024-02-29T12:00:00.5+01:00"}`, `$date`, `$time`: ISO 8601, with a zone of the
//!   database as `[Europe/Paris]` at the end; beside it `"fold": 1`, and `"tzinfo": …` for any other zone
//! - `{"$timedelta": {"days": 1, "seconds": 2, "microseconds": 3}}`, without what is zero
//! - `{"$timezone": "+01:00"}`, `{"$timezone": ["+01:00", "name"]}`, `{"$zoneinfo": "Europe/Paris"}`
//! - `{"$decimal": "1.50"}`, `{"$uuid": "…"}`: as `str` gives them
//! - `{"$global": "module.name"}`: a class or function; `module:outer.inner` for a nested one,
//!   `["module", "name"]`, `["module", "outer", "inner"]` for odd ones. Dots in `["module", "A.B"]` are
//!   the name's own: that is what a pickle means by it below protocol 4, where dots are not followed
//! - `{"$object": "module.Class", "how": "new", "args": […], "kwargs": …, "steps": […]}`: what was
//!   called (or, with `how`, made by `__new__`) with what; steps are `{"state": …}`,
//!   `{"extend": […]}`, `{"items": [[k, v], …]}`, `{"add": […]}`, and `{"call": [f, state]}` for
//!   `f(object, state)`
//! - `{"$persistent": id}`, `{"$extension": n}`, `{"$buffer": n}`, `{"$readonly_buffer": n}`: of pickles
//! - `{"$ext": [code, "base64"]}`, `{"$timestamp": [seconds, nanoseconds]}`: of msgpack
//! - `{"$id": n, "$value": …}`, `{"$ref": n}`: a value that is shared, or contains itself
//!
//! The short forms are for the very nodes that CPython's pickles have; the same thing made in
//! another way is an `$object`, so that lifting gives back what was lowered. It knows no JSON text.

mod lift;
mod lower;

pub use lift::{LiftError, lift};
pub use lower::lower;

/// The `$` names that an object may begin with.
pub fn forms() -> impl Iterator<Item = &'static str> {
    lift::FORMS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
pub(super) mod tests {
    use std::borrow::Cow;

    use super::{lift, lower};
    use crate::limits::Limits;
    use crate::value::json::{Escape, write};
    use crate::value::known::{Date, Time, TimeDelta};
    use crate::value::{Global, How, Node, Object, Span, Step, Value, calls};

    fn text(value: &Value) -> String {
        let mut out = Vec::new();
        write(value, Escape::Utf8, &Limits::DEFAULT, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// JSON text by way of `serde_json`, which keeps digits and order.
    pub fn parse(json: &str) -> Value {
        let mut value = Value::over(Vec::new());
        let root = node(&serde_json::from_str(json).unwrap(), &mut value);
        value.set_root(root);
        value
    }

    fn node(json: &serde_json::Value, value: &mut Value) -> Node {
        match json {
            serde_json::Value::Null => Node::None,
            serde_json::Value::Bool(truth) => Node::Bool(*truth),
            serde_json::Value::Number(number) => match number.to_string() {
                digits if digits.contains(['.', 'e', 'E']) => Node::Float(digits.parse().unwrap()),
                digits => value.integer(&digits.parse().unwrap()),
            },
            serde_json::Value::String(text) => Node::Str(value.push_text(text.as_bytes())),
            serde_json::Value::Array(array) => {
                let members: Vec<Node> = array.iter().map(|member| node(member, value)).collect();
                Node::List(value.container(&members))
            }
            serde_json::Value::Object(object) => {
                let mut members = Vec::new();
                for (key, member) in object {
                    members.push(Node::Str(value.push_text(key.as_bytes())));
                    members.push(node(member, value));
                }
                Node::Dict(value.container(&members))
            }
        }
    }

    /// Lifts typed JSON; what it is in Python's notation, or what was wrong with it.
    fn python(json: &str) -> String {
        match lift(&parse(json), &Limits::DEFAULT) {
            Err(error) => format!("error: {error}"),
            Ok(value) => {
                let lowered = lower(&value, &Limits::DEFAULT).unwrap();
                assert!(lift(&lowered, &Limits::DEFAULT).unwrap().same(&value), "{json} by way of {}", text(&lowered));
                let mut out = Vec::new();
                crate::value::python::write(&value, &Limits::DEFAULT, &mut out).unwrap();
                String::from_utf8(out).unwrap()
            }
        }
    }

    #[test]
    fn every_form_is_lifted_and_lowered_to_itself() {
        let lines: Vec<&str> = include_str!("../../tests/data/print/typed_json.txt").lines().collect();
        assert_eq!(lines.len(), 88);
        for pair in lines.chunks_exact(2) {
            let (json, expected) = (pair[0], pair[1]);
            assert_eq!(python(json), expected, "{json}");
            let lifted = lift(&parse(json), &Limits::DEFAULT).unwrap();
            if !json.contains(r#""kwargs": []"#) && !json.contains("defaultdict") {
                assert_eq!(text(&lower(&lifted, &Limits::DEFAULT).unwrap()), json);
            }
        }
    }

    #[test]
    fn integers_that_python_does_not_print_are_hexadecimal() {
        for sign in ["", "-"] {
            let json = format!("[{{\"$int\": \"{sign}0x{}\"}}, 5]", "f".repeat(4000));
            let lifted = lift(&parse(&json), &Limits::DEFAULT).unwrap();
            assert_eq!(text(&lower(&lifted, &Limits::DEFAULT).unwrap()), json);
        }
        assert_eq!(python(r#"{"$int": "-0x1F"}"#), "-31");
    }

    #[test]
    fn what_a_person_mistypes_is_named_with_its_place() {
        let lines: Vec<&str> = include_str!("../../tests/data/print/typed_json_errors.txt").lines().collect();
        assert_eq!(lines.len(), 50);
        for pair in lines.chunks_exact(2) {
            let (json, expected) = (pair[0], pair[1]);
            let error = python(json);
            assert_eq!(error, format!("error: {expected}"), "{json}");
        }
    }

    #[test]
    fn a_known_thing_that_was_made_in_another_way_stays_as_it_was_made() {
        for json in [
            concat!(
                r#"{"$object": "copyreg._reconstructor", "args": [{"$global": "uuid.UUID"}, "#,
                r#"{"$global": "builtins.object"}, null], "steps": [{"state": {"int": 5}}]}"#
            ),
            r#"{"$object": "datetime.date", "how": "new", "args": [{"$bytes": "B+gCHQ=="}]}"#,
            concat!(
                r#"{"$object": "datetime.date", "args": {"$id": 1, "$value": "#,
                r#"{"$tuple": [{"$bytes": "B+gCHQ=="}, {"$ref": 1}]}}}"#
            ),
            r#"{"$object": "decimal.Decimal", "args": ["1e5"]}"#,
            r#"{"$float": "nan:7ff8000000000001"}"#,
            r#"{"$float": "nan:fff8000000000000"}"#,
            r#"{"$object": "fractions.Fraction", "args": ["1/3"]}"#,
        ] {
            let lifted = lift(&parse(json), &Limits::DEFAULT).unwrap();
            assert_eq!(text(&lower(&lifted, &Limits::DEFAULT).unwrap()), json);
        }
    }

    #[test]
    fn what_is_its_own_form_is_not_made_again() {
        let is_own = |value: &Value| {
            let lowered = lower(value, &Limits::DEFAULT).unwrap();
            assert!(lift(&lowered, &Limits::DEFAULT).unwrap().same(value), "{}", text(&lowered));
            matches!(lowered, Cow::Borrowed(_))
        };
        assert!(is_own(&parse(r#"{"a": [1, -2.5, null, true, "é", {"b": {}}], "c": "$d"}"#)));
        assert!(!is_own(&parse(r#"{"a": {"$b": 1}}"#)));
        for count in [2, 40] {
            for twice in [false, true] {
                let mut value = Value::over(Vec::new());
                let mut pairs = Vec::new();
                for at in 0..count {
                    let key = if twice && at == count - 1 { "key0".to_owned() } else { format!("key{at}") };
                    pairs.extend([Node::Str(value.push_text(key.as_bytes())), Node::None]);
                }
                let dict = Node::Dict(value.container(&pairs));
                value.set_root(dict);
                assert_eq!(is_own(&value), !twice, "{count}");
            }
        }
    }

    #[test]
    fn a_memo_bomb_is_lowered_in_line_with_what_is_stored() {
        let mut value = Value::over(Vec::new());
        let mut inner = Node::List(value.container(&[]));
        for _ in 0..60 {
            inner = Node::Tuple(value.container(&[inner, inner]));
        }
        value.set_root(inner);
        let lowered = lower(&value, &Limits::DEFAULT).unwrap();
        assert!(text(&lowered).len() < 5000);
        assert!(lift(&lowered, &Limits::DEFAULT).unwrap().same(&value));
    }

    /// A graph of anything: sharing, cycles, objects that nothing would write.
    fn any(rng: &mut fastrand::Rng) -> Value {
        let mut value = Value::over("aé\\$int\u{1b}".as_bytes().to_vec());
        let mut texts: Vec<Span> = vec![Span { start: 0, len: 0 }, Span { start: 0, len: 3 }, value.whole()];
        for text in [&b"$ref"[..], b"\xed\xb2\x80\\", b"1.50", b"int", b"a.b:c", b"UTC"] {
            texts.push(value.push_text(text));
        }
        let mut nodes =
            vec![Node::None, Node::Bool(true), Node::Int(-5), Node::Float(-0.0), Node::Float(f64::INFINITY)];
        nodes.push(value.integer(&"-99999999999999999999".parse().unwrap()));
        nodes.extend(texts.iter().flat_map(|span| [Node::Str(*span), Node::Bytes(*span), Node::Ext(-3, *span)]));
        nodes.extend([Node::Extension(7), Node::Buffer(0), Node::ReadOnlyBuffer(1), Node::Timestamp(-1, 2)]);
        nodes.push(value.byte_array(b"x"));
        nodes.push(Node::Bytes(value.push_text(b"\x07\xe8\x02\x1d")));
        for (module, name) in
            [("datetime", "date"), ("uuid", "UUID"), ("m", "A.B"), ("", "x:y.z"), ("copyreg", "__newobj__")]
        {
            nodes.push(value.global_named(module, name));
            let (module, name) = (value.push_text(module.as_bytes()), value.push_text(name.as_bytes()));
            nodes.push(Node::Global(value.push_global(Global { module, name, is_flat: true })));
        }
        let zone = calls::time_zone(&mut value, TimeDelta { days: 0, seconds: 60, microseconds: 0 }, Node::None);
        nodes.push(Node::Object(value.push_object(zone)));
        let date = Date { year: 1, month: 2, day: 3 };
        let time = Time { hour: 4, minute: 5, second: 6, microsecond: 7, fold: rng.bool() };
        let zone = if rng.bool() { nodes[nodes.len() - 1] } else { Node::None };
        let moment = calls::date_time(&mut value, date, time, zone);
        nodes.push(Node::Object(value.push_object(moment)));
        let uuid = calls::uuid(&mut value, 5);
        nodes.push(Node::Object(value.push_object(uuid)));
        let (mut containers, mut objects) = (Vec::new(), Vec::new());
        for _ in 0..rng.usize(1..12) {
            let id = value.container(&[]);
            let kind = rng.choice([Node::List, Node::Tuple, Node::Set, Node::FrozenSet, Node::Dict, Node::Persistent]);
            let node = kind.unwrap()(id);
            containers.push((id, node));
            nodes.push(node);
            let (callable, args) = (nodes[rng.usize(..nodes.len())], nodes[rng.usize(..nodes.len())]);
            let how = if rng.bool() { How::Call } else { How::New };
            let object = Object { how, callable, args, kwargs: nodes[rng.usize(..nodes.len())], steps: Vec::new() };
            objects.push(value.push_object(object));
            nodes.push(Node::Object(objects[objects.len() - 1]));
        }
        for (id, node) in containers {
            let count = if matches!(node, Node::Persistent(_)) { 1 } else { 2 * rng.usize(..3) };
            let members: Vec<Node> = (0..count).map(|_| nodes[rng.usize(..nodes.len())]).collect();
            value.extend(id, &members);
        }
        for id in objects {
            for _ in 0..rng.usize(..3) {
                let pair = value.container(&[nodes[rng.usize(..nodes.len())], nodes[rng.usize(..nodes.len())]]);
                let state = Step::State(nodes[rng.usize(..nodes.len())]);
                let call = Step::Call(nodes[rng.usize(..nodes.len())], nodes[rng.usize(..nodes.len())]);
                let step = rng.choice([Step::Extend(pair), Step::Items(pair), Step::Add(pair), state, call]).unwrap();
                value.object_mut(id).steps.push(step);
            }
        }
        value.set_root(nodes[nodes.len() - 1]);
        value
    }

    #[test]
    fn any_graph_is_lifted_as_it_was_lowered() {
        let limits = Limits { printed: 20_000, ..Limits::DEFAULT };
        let mut rng = fastrand::Rng::with_seed(7);
        for round in 0..3000 {
            let value = any(&mut rng);
            let lowered = lower(&value, &limits).unwrap();
            let written = text(&lowered);
            let lifted = lift(&lowered, &limits).unwrap_or_else(|error| panic!("{round}: {error}: {written}"));
            assert!(lifted.same(&value), "{round}: {written}");
            let reread = lift(&parse(&written), &limits).unwrap();
            assert!(reread.same(&value), "{round}: {written}");
            let mut out = Vec::new();
            match crate::value::python::write(&value, &limits, &mut out) {
                Ok(()) => assert!(!out.is_empty() && std::str::from_utf8(&out).is_ok()),
                Err(error) => assert!(error.to_string().contains("`printed`") && out.is_empty(), "{round}: {error}"),
            }
            if let Err(error) = crate::value::plain::write(&value, Escape::Ascii, &limits, &mut Vec::new()) {
                assert!(!error.to_string().starts_with("json"), "{round}: plain JSON is not JSON: {error}");
            }
        }
    }
}

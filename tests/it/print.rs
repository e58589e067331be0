//! What CPython prints, printed: values of a seeded corpus, by way of pickles that it wrote.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cachectl::codec::Codec;
use cachectl::limits::Limits;
use cachectl::render::text::{self as render, Notation, Style};
use cachectl::value::json::Escape;
use cachectl::value::{Value, json, plain, python, typed_json};

use crate::python::run;

/// Lines of a pickle in base64, a tab, and what is expected of it as JSON text.
fn cases(program: &str, args: &[&str]) -> Vec<(Value, String, String)> {
    let corpus = include_str!("../data/print/corpus.py");
    let codec = Codec::parse("pickle://").unwrap();
    let lines = run(&format!("{corpus}\n{program}"), args);
    let cases: Vec<_> = lines
        .lines()
        .map(|line| {
            let (pickle, expected) = line.split_once('\t').expect("a tab");
            let decoded = codec.decode(BASE64.decode(pickle).unwrap(), &Limits::DEFAULT).unwrap();
            (decoded.value, serde_json::from_str(expected).unwrap(), pickle.to_owned())
        })
        .collect();
    assert!(cases.len() >= 500, "{} cases", cases.len());
    cases
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn shown(value: &Value, style: Style) -> String {
    text(|out| render::write(value, &style, &Limits::DEFAULT, out).unwrap())
}

#[test]
fn repr_is_cpythons_byte_for_byte() {
    for protocol in ["0", "1", "2", "3", "4", "5"] {
        for (value, expected, pickle) in cases("show_reprs(int(sys.argv[1]))", &[protocol]) {
            let repr = text(|out| python::write(&value, &Limits::DEFAULT, out).unwrap());
            assert_eq!(repr, expected, "protocol {protocol}: {pickle}");
        }
    }
}

#[test]
fn typed_json_gives_back_every_value_of_the_corpus() {
    for protocol in ["0", "2", "5"] {
        for (value, _, pickle) in cases("show_reprs(int(sys.argv[1]))", &[protocol]) {
            let lowered = typed_json::lower(&value, &Limits::DEFAULT).unwrap();
            let written = text(|out| json::write(&lowered, Escape::Utf8, &Limits::DEFAULT, out).unwrap());
            let lifted = typed_json::lift(&lowered, &Limits::DEFAULT).unwrap();
            assert!(lifted.same(&value), "protocol {protocol}: {pickle}: {written}");
            let style = Style { notation: Notation::Python, colour: false, width: 60, terminal: true };
            let controls = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
            assert!(!controls(&shown(&value, style)), "protocol {protocol}: {pickle}");
        }
    }
}

#[test]
fn json_text_is_that_of_json_dumps() {
    for (value, expected, pickle) in cases("show_json(ensure_ascii=True)", &[]) {
        let ascii = text(|out| json::write(&value, Escape::Ascii, &Limits::DEFAULT, out).unwrap());
        assert_eq!(ascii, expected, "{pickle}");
    }
    for (value, expected, pickle) in cases("show_json(ensure_ascii=False)", &[]) {
        let mut notes = Vec::new();
        let utf8 = text(|out| notes = plain::write(&value, Escape::Utf8, &Limits::DEFAULT, out).unwrap());
        assert_eq!((utf8, notes), (expected.clone(), Vec::new()), "{pickle}");
        let style = Style { notation: Notation::Json, colour: false, width: usize::MAX, terminal: false };
        assert_eq!(shown(&value, style), expected, "{pickle}");
        let broken = shown(&value, Style { width: 30, ..style });
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(squeeze(&broken), squeeze(&expected), "{pickle}");
    }
}

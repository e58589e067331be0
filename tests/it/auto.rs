//! Detection over every captured value: the right chain is named, or stands among the rivals.
//!
//! A chain is right when it has the layers that the line's has and reads the same value. `noop` and
//! `string` are not told apart by that: they store text alike, and what is read differs only in
//! being called bytes or text. A chain of one pickle is to have the protocol as well, unless
//! another one writes the very same bytes.

use std::collections::BTreeMap;

use cachectl::codec::detect::{Certainty, Detection, detect};
use cachectl::codec::{Codec, Decoded};
use cachectl::limits::Limits;
use cachectl::value::{Node, Value};

use crate::fixtures::{self, Line};

/// The layers that do something to text or bytes.
fn layers(codec: &Codec) -> Vec<&'static str> {
    codec.layers().into_iter().filter(|name| !["noop", "string"].contains(name)).collect()
}

/// Whether the values are the same, text and bytes not told apart.
fn same(left: &Value, right: &Value) -> bool {
    match (left.root(), right.root()) {
        (Node::Str(one) | Node::Bytes(one), Node::Str(other) | Node::Bytes(other)) => {
            left.text(one) == right.text(other)
        }
        _ => left.same(right),
    }
}

fn is_right(url: &str, line: &Line, truth: &Codec, value: &Value) -> bool {
    let codec = Codec::parse(url).unwrap();
    let stored = line.stored.as_ref().unwrap();
    let Ok(Decoded { value: read, .. }) = codec.decode(stored.clone(), &Limits::DEFAULT) else { return false };
    let protocol_told = layers(truth) == ["pickle"] && line.chain.contains("pickle-protocol");
    let written = |codec: &Codec| codec.encode(value, &Limits::DEFAULT).ok();
    layers(&codec) == layers(truth)
        && same(&read, value)
        && (!protocol_told || codec == *truth || written(&codec) == written(truth))
}

/// The lines whose right chain is neither named nor a rival, and why.
const MISSES: [(&str, &str); 1] =
    [("foreign.pickle.ext1", "it begins with a registered extension, and names no protocol")];

#[test]
fn the_right_chain_is_named_or_among_the_rivals() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut misses = Vec::new();
    for line in fixtures::of_every_library().filter(|line| !line.serializer_url.is_empty()) {
        let stored = line.stored.as_ref().unwrap();
        let truth = Codec::parse(&line.chain).unwrap();
        let Ok(Decoded { value, .. }) = truth.decode(stored.clone(), &Limits::DEFAULT) else {
            *counts.entry("unreadable").or_default() += 1;
            continue;
        };
        let Detection { url, certainty, rivals, .. } = detect(stored, &Limits::DEFAULT).unwrap();
        let right = |url: &String| is_right(url, line, &truth, &value);
        let outcome = match certainty {
            Certainty::Certain if right(&url) => "certain",
            Certainty::Likely if right(&url) => "likely",
            Certainty::Ambiguous if right(&url) => "ambiguous",
            Certainty::Likely if rivals.iter().any(right) => "a rival of the likely one",
            Certainty::Ambiguous if rivals.iter().any(right) => "a rival",
            Certainty::Certain => panic!("{} {}: certainly {url}, and it is {}", line.library, line.case, line.chain),
            _ => {
                misses.push(line.case.as_str());
                "missed"
            }
        };
        *counts.entry(outcome).or_default() += 1;
    }
    assert_eq!(misses, MISSES.map(|(case, _)| case));
    // Ambiguous: numbers, words such as `null` and single characters, which text and JSON share.
    let expected = [
        ("certain", 1628),
        ("likely", 1249),
        ("ambiguous", 447),
        ("a rival", 204),
        ("a rival of the likely one", 48),
        ("missed", 1),
        ("unreadable", 38),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn the_protocol_of_an_old_pickle_is_told_by_its_opcodes() {
    for (pickle, protocol) in [
        (&b"(lp0\nI1\na."[..], 0),
        (b"]q\x00K\x01a.", 1),
        (b"c_codecs\nencode\np0\n(Va\xe9\np1\nVlatin1\np2\ntp3\nRp4\n.", 0),
        (b"c_codecs\nencode\nq\x00(X\x03\x00\x00\x00a\xc3\xa9q\x01X\x06\x00\x00\x00latin1q\x02tq\x03Rq\x04.", 1),
        (b"(t.", 0),
        (b").", 1),
        (b"L5L\n.", 0),
    ] {
        let found = detect(pickle, &Limits::DEFAULT).unwrap();
        let url = format!("pickle://?pickle-protocol={protocol}");
        let named = found.url == url || found.rivals.contains(&url);
        assert!(named, "{}: {} {:?}", pickle.escape_ascii(), found.url, found.rivals);
    }
}

#[test]
fn what_a_pickle_holds_is_looked_into_once() {
    use Certainty::{Certain, Likely};
    for (pickle, url, certainty, rivals) in [
        (&b"\x80\x05\x8c\x02hi\x94."[..], "pickle://", Certain, vec![]),
        (b"\x80\x05\x8c\x02[]\x94.", "pickle://", Likely, vec!["json+pickle://"]),
        (b"\x80\x05C\x04\x80\x04N.\x94.", "pickle+pickle://?pickle-protocol=4", Likely, vec!["pickle://"]),
        (b"\x80\x05C\x03\x81\x01\x02\x94.", "pickle://", Likely, vec!["msgpack+pickle://"]),
        (b"\x80\x05C\x02\xff\xfe\x94.", "pickle://", Certain, vec![]),
        (b"\x80\x04N.junk", "pickle://?pickle-protocol=4", Likely, vec!["noop://"]),
    ] {
        let found = detect(pickle, &Limits::DEFAULT).unwrap();
        assert_eq!((found.url.as_str(), found.certainty), (url, certainty), "{}", pickle.escape_ascii());
        assert_eq!(found.rivals, rivals, "{}", pickle.escape_ascii());
        let again = Codec::parse(&found.url).unwrap().decode(pickle.to_vec(), &Limits::DEFAULT).unwrap();
        assert!(again.value.same(&found.decoded.value) && again.stages == found.decoded.stages);
    }
}

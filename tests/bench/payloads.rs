//! What is measured: three values of an ordinary cache, as JSON text, the same on every machine.
//!
//! `p2k` is a user's profile, `p50k` a list of dicts, `p5m` groups of members with history. Sizes
//! and shapes are those of the measurements that the goals come from; values differ from dict to
//! dict as they do in life, keys do not.

use std::fmt::Write as _;

/// A payload: its name, and what makes its JSON text.
pub type Payload = (&'static str, fn() -> String);

/// All of them.
pub const PAYLOADS: [Payload; 3] = [("p2k", p2k), ("p50k", p50k), ("p5m", p5m)];

const WORDS: [&str; 16] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "knoll", "larch", "mesa",
    "north", "ocean", "plain",
];

/// A profile with settings, addresses and the last orders.
fn p2k() -> String {
    let mut random = fastrand::Rng::with_seed(2);
    let mut out = String::from(r#"{"id": 184467, "name": "Zoë Ångström", "email": "zoe.angstrom@example.com", "#);
    out += r#""active": true, "score": 98.625, "manager": null, "bio": ""#;
    out += &words(&mut random, 40);
    out += r#"", "settings": {"theme": "dark", "language": "sv-SE", "page_size": 50, "beta": false}, "orders": ["#;
    for order in 0..8 {
        let comma = if order == 0 { "" } else { ", " };
        let (id, cents) = (random.u32(1_000_000..9_999_999), random.u32(100..99_999));
        let (item, day) = (words(&mut random, 2), random.u8(10..29));
        let _ = write!(
            out,
            r#"{comma}{{"id": {id}, "item": "{item}", "price": {}.{:02}, "date": "2026-03-{day}T12:00:00", "paid": true}}"#,
            cents / 100,
            cents % 100
        );
    }
    out += r#"], "tags": ["customer", "newsletter", "vip"], "visits": [3, 14, 159, 2653, 58979]}"#;
    out
}

/// A page of search results.
fn p50k() -> String {
    let mut random = fastrand::Rng::with_seed(50);
    list(300, |out, row| {
        let (price, stock) = (random.f64() * 1000.0, random.u16(..2000));
        let name = words(&mut random, 3);
        let _ = write!(
            out,
            r#"{{"id": {}, "name": "{name}", "price": {price}, "stock": {stock}, "category": "{}", "visible": {}, "rating": {}, "parent": null, "seller": "{}"}}"#,
            100_000 + row,
            WORDS[row % WORDS.len()],
            row % 3 == 0,
            f64::from(random.u8(10..50)) / 10.0,
            WORDS[row / 20 % WORDS.len()],
        );
    })
}

/// Groups, their members, and what each member did.
fn p5m() -> String {
    let mut random = fastrand::Rng::with_seed(5);
    list(420, |out, group| {
        let _ = write!(out, r#"{{"group": {group}, "title": "{}", "members": "#, words(&mut random, 2));
        *out += &list(25, |out, member| {
            let (id, weight) = (random.u64(..1 << 40), random.f64());
            let name = words(&mut random, 2);
            let _ = write!(
                out,
                r#"{{"id": {id}, "name": "{name}", "active": {}, "weight": {weight}, "history": ["#,
                member % 2 == 0
            );
            for (event, kind) in WORDS[..4].iter().enumerate() {
                let comma = if event == 0 { "" } else { ", " };
                let (at, by) = (random.u32(1_700_000_000..1_800_000_000), random.u16(..500));
                let _ = write!(out, r#"{comma}{{"at": {at}, "kind": "{kind}", "by": {by}, "ok": true}}"#);
            }
            *out += "], \"limits\": {\"daily\": 100, \"monthly\": 2500, \"burst\": null}}";
        });
        out.push('}');
    })
}

fn list(len: usize, mut row: impl FnMut(&mut String, usize)) -> String {
    let mut out = String::from("[");
    for index in 0..len {
        out += if index == 0 { "" } else { ", " };
        row(&mut out, index);
    }
    out + "]"
}

fn words(random: &mut fastrand::Rng, count: usize) -> String {
    let words: Vec<&str> = (0..count).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
    words.join(" ")
}

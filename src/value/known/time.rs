//! Points in time that are counted from 1970: numpy's `datetime64`, pandas' `Timestamp` and `Timedelta`.
//!
//! Years outside 1 to 9999 are not known. Pickles: pandas 1 and 2, `pandas/_libs/tslibs`.

use super::{Known, Made, Plain, TimeDelta, of, of_time_delta};
use crate::value::{Node, Value, scalar};

const DAY: i128 = 86_400;

/// What numpy prints of a `datetime64`, without its quotes.
pub(super) fn datetime64(number: i64, unit: &str) -> Option<String> {
    if number == i64::MIN {
        return Some("NaT".to_owned());
    }
    let number = i128::from(number);
    let (seconds, digits) = match unit {
        "Y" => return year(number + 1970),
        "M" => return Some(format!("{}-{:02}", year(number.div_euclid(12) + 1970)?, number.rem_euclid(12) + 1)),
        "W" => return date((number * 7).checked_mul(DAY)?),
        "D" => return date(number * DAY),
        "h" => (number * 3600, None),
        "m" => (number * 60, Some(0)),
        "s" => (number, Some(2)),
        "ms" => (number.div_euclid(1000), Some(3)),
        "us" => (number.div_euclid(1_000_000), Some(6)),
        "ns" => (number.div_euclid(1_000_000_000), Some(9)),
        _ => return None,
    };
    let (day, second) = (date(seconds)?, seconds.rem_euclid(DAY));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(match digits {
        None => format!("{day}T{hour:02}"),
        Some(0) => format!("{day}T{hour:02}:{minute:02}"),
        Some(2) => format!("{day}T{hour:02}:{minute:02}:{second:02}"),
        Some(digits) => {
            let fraction = number.rem_euclid(10_i128.pow(digits));
            let width = digits as usize;
            format!("{day}T{hour:02}:{minute:02}:{second:02}.{fraction:0width$}")
        }
    })
}

fn year(year: i128) -> Option<String> {
    (1..=9999).contains(&year).then(|| format!("{year:04}"))
}

/// The day of so many seconds since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn date(seconds: i128) -> Option<String> {
    let days = seconds.div_euclid(DAY) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year(of_era + era * 400 + i128::from(month <= 2))?;
    Some(format!("{year}-{month:02}-{:02}", of_year - (153 * shifted + 2) / 5 + 1))
}

/// What `module.name` stands for, if it is one of pandas' times.
pub(super) fn of_pandas<'v>(value: &'v Value, module: &[u8], name: &[u8], made: &Made<'v>) -> Option<Known<'v>> {
    match (module, name) {
        (b"pandas._libs.tslibs.timestamps", b"_unpickle_timestamp") => match *made.args {
            [Node::Int(number), Node::None, zone, Node::Int(unit)] => timestamp(value, number, resolution(unit)?, zone),
            [Node::Int(number), Node::None, zone] => timestamp(value, number, 9, zone),
            _ => None,
        },
        (b"pandas._libs.tslibs.timedeltas", b"_timedelta_unpickle") => match *made.args {
            [Node::Int(number), Node::Int(unit)] => timedelta(number, resolution(unit)?),
            _ => None,
        },
        (b"pandas._libs.tslibs.nattype", b"_nat_unpickle" | b"__nat_unpickle") => {
            Some(Known::Word { repr: b"NaT".to_vec(), plain: Plain::None })
        }
        _ => None,
    }
}

/// Decimal places of a second, of numpy's `NPY_DATETIMEUNIT`.
fn resolution(unit: i64) -> Option<u32> {
    match unit {
        7 => Some(0),
        8 => Some(3),
        9 => Some(6),
        10 => Some(9),
        _ => None,
    }
}

/// Seconds, and nanoseconds with as many places as are shown: none, 6 or 9.
fn parts(number: i128, places: u32) -> (i128, String) {
    let unit = 10_i128.pow(places);
    let nanoseconds = number.rem_euclid(unit) * 10_i128.pow(9 - places);
    let fraction = match nanoseconds {
        0 => String::new(),
        _ if nanoseconds % 1000 == 0 => format!(".{:06}", nanoseconds / 1000),
        _ => format!(".{nanoseconds:09}"),
    };
    (number.div_euclid(unit), fraction)
}

/// In a zone of a fixed offset as there; in any other at its instant in UTC, with the zone's name.
fn timestamp(value: &Value, number: i64, places: u32, zone: Node) -> Option<Known<'static>> {
    let (utc, fraction) = parts(number.into(), places);
    let (offset, shown, named) = match (zone, inner_zone(value, zone)) {
        (Node::None, _) => (0, String::new(), String::new()),
        (_, Some(Known::TimeZone(delta, _))) => {
            let TimeDelta { days, seconds, .. } = delta;
            let offset = days * 86_400 + seconds;
            let (sign, size) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
            let clock = |colon: &str| format!("{sign}{:02}{colon}{:02}", size / 3600, size / 60 % 60);
            let name = if offset == 0 { "UTC".to_owned() } else { format!("UTC{}", clock(":")) };
            (offset, clock(""), name)
        }
        (_, Some(Known::ZoneInfo(key))) => (0, "+0000".to_owned(), String::from_utf8(value.text(key).to_vec()).ok()?),
        (_, Some(Known::Word { plain: Plain::Text(name), .. })) => {
            (0, "+0000".to_owned(), String::from_utf8(name).ok()?)
        }
        _ => return None,
    };
    let local = utc + i128::from(offset);
    let (day, second) = (date(local)?, local.rem_euclid(DAY));
    let clock = format!("{:02}:{:02}:{:02}{fraction}{shown}", second / 3600, second / 60 % 60, second % 60);
    let mut repr = format!("Timestamp('{day} {clock}'").into_bytes();
    let mut plain = format!("{day}T{clock}");
    if !named.is_empty() {
        repr.extend_from_slice(b", tz=");
        scalar::write_str(named.as_bytes(), &mut repr);
        if offset == 0 && named != "UTC" {
            plain = format!("{plain}[{named}]");
        }
    }
    repr.push(b')');
    Some(Known::Word { repr, plain: Plain::Text(plain.into_bytes()) })
}

/// A zone, but no timestamp in whose place it stands: so no chain of them is followed.
fn inner_zone(value: &Value, zone: Node) -> Option<Known<'_>> {
    let Node::Object(id) = zone else { return None };
    let made = super::made(value, id);
    let is_timestamp = value.is_global(made.class, "pandas._libs.tslibs.timestamps", "_unpickle_timestamp");
    if is_timestamp || of_time_delta(value, zone).is_some() { None } else { of(value, zone) }
}

fn timedelta(number: i64, places: u32) -> Option<Known<'static>> {
    if number == i64::MIN {
        return None;
    }
    let (seconds, fraction) = parts(number.into(), places);
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let sign = if days < 0 { "+" } else { "" };
    let clock = format!("{sign}{:02}:{:02}:{:02}{fraction}", rest / 3600, rest / 60 % 60, rest % 60);
    let repr = format!("Timedelta('{days} days {clock}')").into_bytes();
    #[expect(clippy::cast_precision_loss, reason = "as `total_seconds`")]
    let plain = Plain::Duration(number as f64 / 10_f64.powi(i32::try_from(places).ok()?));
    Some(Known::Word { repr, plain })
}

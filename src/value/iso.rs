//! ISO 8601: dates, times and offsets as text, and back.
//!
//! The text is what `isoformat` gives in CPython 3.11. Reading takes that and `Z`. It knows no
//! zones but offsets, and no notation around them.

use super::known::{Date, Time, TimeDelta, days};

/// `2024-02-29`.
#[must_use]
pub fn date(Date { year, month, day }: Date) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

/// `12:00:00`, and the microseconds where there are any.
#[must_use]
pub fn time(Time { hour, minute, second, microsecond, .. }: Time) -> String {
    let fraction = if microsecond == 0 { String::new() } else { format!(".{microsecond:06}") };
    format!("{hour:02}:{minute:02}:{second:02}{fraction}")
}

/// `+01:00`, and seconds and microseconds where there are any.
#[must_use]
pub fn offset(TimeDelta { days, seconds, microseconds }: TimeDelta) -> String {
    let total = (days * 86_400 + seconds) * 1_000_000 + microseconds;
    let (sign, rest) = (if total < 0 { '-' } else { '+' }, total.abs());
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let mut text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 != 0 || fraction != 0 {
        text.push_str(&format!(":{:02}", seconds % 60));
    }
    if fraction != 0 {
        text.push_str(&format!(".{fraction:06}"));
    }
    text
}

/// Whether text is a name that a zone of the database may have.
#[must_use]
pub fn is_zone_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_+-/".contains(byte))
}

/// Reads `2024-02-29`.
#[must_use]
pub fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = u16::try_from(digits(&bytes[..4])?).ok()?;
    let (month, day) = (byte(&bytes[5..7])?, byte(&bytes[8..])?);
    let valid = year >= 1 && (1..=12).contains(&month) && (1..=days(year, month)).contains(&day);
    valid.then_some(Date { year, month, day })
}

/// Reads `12:00`, `12:00:00` and `12:00:00.5`.
#[must_use]
pub fn parse_time(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let bytes = whole.as_bytes();
    let shape = matches!((bytes.len(), fraction), (5, None) | (8, _));
    if !shape || bytes[2] != b':' || bytes.get(5).is_some_and(|colon| *colon != b':') {
        return None;
    }
    let second = bytes.get(6..).map_or(Some(0), byte)?;
    let microsecond = match fraction {
        None => 0,
        Some(fraction) if (1..=6).contains(&fraction.len()) => {
            digits(fraction.as_bytes())? * 10_u32.pow(6 - u32::try_from(fraction.len()).ok()?)
        }
        Some(_) => return None,
    };
    let (hour, minute) = (byte(&bytes[..2])?, byte(&bytes[3..5])?);
    (hour < 24 && minute < 60 && second < 60).then_some(Time { hour, minute, second, microsecond, fold: false })
}

/// Reads `Z`, `+01:00`, `-01:00:30.5`.
#[must_use]
pub fn parse_offset(text: &str) -> Option<TimeDelta> {
    if text == "Z" {
        return Some(TimeDelta { days: 0, seconds: 0, microseconds: 0 });
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let Time { hour, minute, second, microsecond, .. } = parse_time(&text[1..])?;
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let total = sign * (seconds * 1_000_000 + i64::from(microsecond));
    let (seconds, microseconds) = (total.div_euclid(1_000_000), total.rem_euclid(1_000_000));
    Some(TimeDelta { days: seconds.div_euclid(86_400), seconds: seconds.rem_euclid(86_400), microseconds })
}

fn byte(text: &[u8]) -> Option<u8> {
    u8::try_from(digits(text)?).ok()
}

fn digits(text: &[u8]) -> Option<u32> {
    let all = !text.is_empty() && text.len() <= 6 && text.iter().all(u8::is_ascii_digit);
    all.then(|| text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["0001-01-01", "2024-02-29", "9999-12-31"] {
            assert_eq!(date(parse_date(text).unwrap()), text);
        }
        for text in ["00:00:00", "23:59:59.999999", "12:00:00.000001"] {
            assert_eq!(time(parse_time(text).unwrap()), text);
        }
        for text in ["+00:00", "+01:00", "-03:30", "-23:59:59.999999", "+00:00:01", "-00:00:00.000001"] {
            assert_eq!(offset(parse_offset(text).unwrap()), text);
        }
        assert_eq!(time(parse_time("12:30").unwrap()), "12:30:00");
        assert_eq!(time(parse_time("12:30:01.5").unwrap()), "12:30:01.500000");
    }

    #[test]
    fn what_is_no_date_or_time_is_not_read() {
        for text in
            ["", "2023-02-29", "0000-01-01", "2024-13-01", "2024-1-01", "2024/01/01", "２０24-01-01", "2024-02-29 "]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in
            ["", "24:00", "12:60", "1:00", "12.00", "12:00:00.", "12:00:00.1234567", "12:00.5", "12:00:0", "12:00-00"]
        {
            assert_eq!(parse_time(text), None, "{text}");
        }
        for text in ["", "01:00", "+1:00", "+24:00", "z", "+é"] {
            assert_eq!(parse_offset(text), None, "{text}");
        }
    }
}

//! What the options of `bench` mean: parsed at the edge, once.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser;

use super::super::arguments as typed;
use super::{Distribution, Mix, Operation, Sizes};
use crate::bench::sweep::{MOST, STEPS_MOST};

/// A mix on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights(pub Mix);

/// Bytes of the largest value: Redis's own limit.
const SIZE_MOST: u32 = 512 << 20;

/// A sweep that is shorter has steps in which too little happens.
const SWEEP_LEAST: Duration = Duration::from_secs(5);

/// A parser of numbers from `least` to `most`.
pub trait Count: FromStr + PartialOrd + Display + Copy + Debug + Send + Sync + 'static {}

impl<T: FromStr + PartialOrd + Display + Copy + Debug + Send + Sync + 'static> Count for T {}

/// Reads a number from `least` to `most`.
pub fn number<T: Count>(least: T, most: T) -> impl TypedValueParser<Value = T> {
    clap::builder::StringValueParser::new().try_map(move |text| match text.replace('_', "").parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("expected a number from {least} to {most}")),
    })
}

/// Reads a rate.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.replace('_', "").parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= MOST => Ok(rate),
        Ok(rate) if rate > MOST => Err(format!("no machine sends more than {MOST:.0} requests a second")),
        _ => Err("expected a number of requests a second, above 0".to_owned()),
    }
}

/// Reads how long a sweep may take.
pub fn sweep(text: &str) -> Result<Duration, String> {
    match typed::duration(text)? {
        bound if bound >= SWEEP_LEAST => Ok(bound),
        _ => Err(format!("its {STEPS_MOST} steps need {SWEEP_LEAST:?} at least")),
    }
}

/// Reads `get=90,set=10`.
pub fn mix(text: &str) -> Result<Weights, String> {
    let names = Operation::ALL.map(Operation::name).join(", ");
    let mut mix = Mix::default();
    for part in text.split(',') {
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let operation = Operation::ALL.into_iter().find(|operation| operation.name() == name.trim());
        let operation = operation.ok_or_else(|| format!("no operation is called `{name}`; expected one of {names}"))?;
        let weight = weight.trim().parse().map_err(|_| format!("`{weight}` is not a weight, such as 90"))?;
        mix[operation as usize] = weight;
    }
    if mix.iter().all(|weight| *weight == 0) { Err("nothing has a weight".to_owned()) } else { Ok(Weights(mix)) }
}

/// Reads `uniform`, `zipf:0.99` and so on.
pub fn distribution(text: &str) -> Result<Distribution, String> {
    let (name, theta) = text.split_once(':').unwrap_or((text, ""));
    let theta = match (name, theta) {
        ("zipf", "") => 0.99,
        ("zipf", theta) => match theta.parse() {
            Ok(theta) if (0.0..=10.0).contains(&theta) => theta,
            _ => return Err("theta is a number from 0 to 10, such as zipf:0.99".to_owned()),
        },
        (_, "") => 0.0,
        _ => return Err(format!("`{name}` takes nothing after it")),
    };
    match name {
        "uniform" => Ok(Distribution::Uniform),
        "zipf" => Ok(Distribution::Zipf(theta)),
        "gaussian" => Ok(Distribution::Gaussian),
        "sequential" => Ok(Distribution::Sequential),
        "latest" => Ok(Distribution::Latest),
        _ => Err("expected uniform, zipf:THETA, gaussian, sequential or latest".to_owned()),
    }
}

/// Reads `64`, `64..1KiB` and `64=90,4KiB=10`.
pub fn sizes(text: &str) -> Result<Sizes, String> {
    if let Some((least, most)) = text.split_once("..") {
        let (least, most) = (size(least)?, size(most)?);
        return if least <= most { Ok(Sizes::Range(least, most)) } else { Err("the range is upside down".to_owned()) };
    }
    if !text.contains('=') {
        return size(text).map(|size| Sizes::Range(size, size));
    }
    let mut sizes = Vec::new();
    for part in text.split(',') {
        let (bytes, weight) = part.split_once('=').ok_or_else(|| format!("`{part}` has no weight, such as 64=90"))?;
        sizes.push((size(bytes)?, weight.trim().parse().map_err(|_| format!("`{weight}` is not a weight"))?));
    }
    match sizes.iter().all(|(_, weight)| *weight == 0) {
        true => Err("nothing has a weight".to_owned()),
        false => Ok(Sizes::Weighted(sizes)),
    }
}

fn size(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => Some(0),
        "KiB" | "K" | "k" => Some(10),
        "MiB" | "M" => Some(20),
        _ => None,
    };
    let bytes = shift.and_then(|shift| digits.parse::<u64>().ok()?.checked_mul(1 << shift));
    match bytes.map(u32::try_from) {
        Some(Ok(bytes @ 0..=SIZE_MOST)) => Ok(bytes),
        Some(_) => Err(format!("a value has {SIZE_MOST} bytes at most")),
        None => Err(format!("`{text}` is not a size, such as 64 or 4KiB")),
    }
}

/// Writes what [`mix`] reads.
pub fn mix_text(mix: &Mix) -> String {
    let parts = Operation::ALL.into_iter().zip(mix).filter(|(_, weight)| **weight > 0);
    parts.map(|(operation, weight)| format!("{}={weight}", operation.name())).collect::<Vec<_>>().join(",")
}

/// Writes what [`distribution`] reads.
pub fn distribution_text(distribution: Distribution) -> String {
    match distribution {
        Distribution::Uniform => "uniform".to_owned(),
        Distribution::Zipf(theta) => format!("zipf:{theta}"),
        Distribution::Gaussian => "gaussian".to_owned(),
        Distribution::Sequential => "sequential".to_owned(),
        Distribution::Latest => "latest".to_owned(),
    }
}

/// Writes what [`sizes`] reads; nothing for sizes of values that are there.
pub fn sizes_text(sizes: &Sizes) -> Option<String> {
    match sizes {
        Sizes::Range(least, most) if least == most => Some(least.to_string()),
        Sizes::Range(least, most) => Some(format!("{least}..{most}")),
        Sizes::Weighted(sizes) => {
            Some(sizes.iter().map(|(size, weight)| format!("{size}={weight}")).collect::<Vec<_>>().join(","))
        }
        Sizes::Given(_) => None,
    }
}

/// Reads a percentage from none to all, as a share.
pub fn part(text: &str) -> Result<f64, String> {
    match text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected a percentage from 0 to 100, such as 80%".to_owned()),
    }
}

/// Reads a percentage, as a share.
pub fn share(text: &str) -> Result<f64, String> {
    match text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>() {
        Ok(percent) if (0.0..100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected a percentage from 0 to below 100, such as 5%".to_owned()),
    }
}

/// Reads a length of time that may be less than a second, or have a fraction: `250us`, `1.5ms`, `2s`, `1m30s`.
pub fn short_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time: expected such as 5ms, 250us, 1.5s");
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

/// Reads a percentage that is more than none and may be all, as a share.
pub fn share_of_all(text: &str) -> Result<f64, String> {
    match text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("expected a percentage above 0 and to 100, such as 1%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood_or_refused() {
        assert_eq!(mix("get=90,set=10"), Ok(Weights([90, 10, 0, 0, 0])));
        assert_eq!(mix("incr"), Ok(Weights([0, 0, 0, 1, 0])));
        for wrong in ["", "get=x", "put=1", "get=0", "get=-1"] {
            assert!(mix(wrong).is_err(), "{wrong}");
        }
        assert_eq!(distribution("zipf:1.2"), Ok(Distribution::Zipf(1.2)));
        for wrong in ["zipf:x", "zipf:-1", "zipf:nan", "uniform:1", "pareto", ""] {
            assert!(distribution(wrong).is_err(), "{wrong}");
        }
        assert_eq!(sizes("4KiB"), Ok(Sizes::Range(4096, 4096)));
        assert_eq!(sizes("0..1k"), Ok(Sizes::Range(0, 1024)));
        assert_eq!(sizes("64=9,1M=1"), Ok(Sizes::Weighted(vec![(64, 9), (1 << 20, 1)])));
        for wrong in ["", "x", "2..1", "64=0", "64=1,65", "1GiB", "513MiB", "-1", "99999999999999999999k"] {
            assert!(sizes(wrong).is_err(), "{wrong}");
        }
        assert_eq!((share("5%"), share("0.5")), (Ok(0.05), Ok(0.005)));
        for wrong in ["", "%", "-1%", "100%", "nan", "5%%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert_eq!(short_time("1.5ms"), Ok(Duration::from_micros(1500)));
        assert_eq!(
            (short_time("250us"), short_time("2s")),
            (Ok(Duration::from_micros(250)), Ok(Duration::from_secs(2)))
        );
        for wrong in ["", "5", "-1ms", "x"] {
            assert!(short_time(wrong).is_err(), "{wrong}");
        }
        assert_eq!((share_of_all("100%"), share_of_all("0.5")), (Ok(1.0), Ok(0.005)));
        for wrong in ["", "0%", "101%", "nan"] {
            assert!(share_of_all(wrong).is_err(), "{wrong}");
        }
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "nan", "inf", "x", "1e9"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["get=90,set=10", "incr=1"] {
            assert_eq!(mix_text(&mix(text).unwrap().0), text);
        }
        for text in ["uniform", "zipf:0.99", "gaussian", "sequential", "latest"] {
            assert_eq!(distribution_text(distribution(text).unwrap()), text);
        }
        for text in ["64", "0..1024", "64=90,4096=10"] {
            assert_eq!(sizes_text(&sizes(text).unwrap()).as_deref(), Some(text));
        }
    }
}

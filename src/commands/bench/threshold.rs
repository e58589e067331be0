//! Conditions that a run is judged by: `p99>5ms`, `errors>0`, `throughput<10000`.

use std::fmt;

use super::show::Report;

/// A number of a report, and what it may not be.
#[derive(Clone, Debug)]
pub struct Threshold {
    text: String,
    metric: Metric,
    above: bool,
    bound: f64,
}

#[derive(Clone, Copy, Debug)]
enum Metric {
    /// Of a latency, in seconds.
    Quantile(f64),
    Mean,
    Throughput,
    Errors,
    HitRate,
}

/// Units of time, in seconds; the first that a text ends with.
const UNITS: [(&str, f64); 5] = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];

impl Threshold {
    /// Reads `METRIC>NUMBER` or `METRIC<NUMBER`; a latency's number has a unit.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Threshold, String> {
        let at = text.find(['<', '>']).ok_or("expected such as p99>5ms, errors>0 or throughput<10000")?;
        let (name, bound) = (text[..at].trim(), text[at + 1..].trim());
        let metric = match name {
            "mean" => Metric::Mean,
            "max" => Metric::Quantile(1.0),
            "throughput" => Metric::Throughput,
            "errors" => Metric::Errors,
            "hit_rate" => Metric::HitRate,
            _ => match name.strip_prefix('p').and_then(|digits| digits.parse::<f64>().ok()) {
                Some(percent) if (0.0..=100.0).contains(&percent) => Metric::Quantile(percent / 100.0),
                _ => return Err(format!("`{name}` is none of pNN, max, mean, throughput, errors, hit_rate")),
            },
        };
        let (number, unit) = match metric {
            Metric::Quantile(_) | Metric::Mean => {
                let unit = UNITS.iter().find(|(unit, _)| bound.ends_with(unit));
                let (unit, seconds) = unit.ok_or_else(|| format!("`{bound}` has no unit: write such as 5ms"))?;
                (&bound[..bound.len() - unit.len()], *seconds)
            }
            Metric::HitRate => bound.strip_suffix('%').map_or((bound, 1.0), |percent| (percent, 0.01)),
            Metric::Throughput | Metric::Errors => (bound, 1.0),
        };
        let number: f64 = number.trim().parse().map_err(|_| format!("`{bound}` is not a number"))?;
        if matches!(metric, Metric::HitRate) && !(0.0..=1.0).contains(&(number * unit)) {
            return Err(format!("`{bound}` is no hit rate: write such as 80%, or 0.8"));
        }
        let above = text[at..].starts_with('>');
        Ok(Threshold { text: text.to_owned(), metric, above, bound: number * unit })
    }

    /// Whether the number is what it may not be, or was not measured: nobody is to take that for well.
    #[must_use]
    pub fn holds(&self, report: &Report<'_>) -> bool {
        self.value(report).is_none_or(|value| if self.above { value > self.bound } else { value < self.bound })
    }

    /// What the report has.
    #[must_use]
    pub fn found(&self, report: &Report<'_>) -> String {
        let Some(value) = self.value(report) else { return "nothing was measured".to_owned() };
        match self.metric {
            Metric::Quantile(_) | Metric::Mean => format!("{:.3} ms", value * 1e3),
            Metric::Throughput | Metric::Errors | Metric::HitRate => format!("{value:.3}"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "it is compared, and shown with three digits")]
    fn value(&self, report: &Report<'_>) -> Option<f64> {
        let latency = &report.all.latency;
        match self.metric {
            Metric::Quantile(_) | Metric::Mean if latency.is_empty() => None,
            Metric::Quantile(quantile) => Some(latency.value_at_quantile(quantile) as f64 / 1e9),
            Metric::Mean => Some(latency.mean() / 1e9),
            Metric::Throughput => Some(report.throughput),
            Metric::Errors => Some(report.tally.errors_count() as f64),
            Metric::HitRate => report.hit_rate(),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        for (text, bound) in [
            ("p99>5ms", 0.005),
            ("p99.9 < 250us", 0.000_25),
            ("max>1s", 1.0),
            ("errors>0", 0.0),
            ("throughput<1e4", 1e4),
            ("hit_rate<80%", 0.8),
            ("hit_rate<0.8", 0.8),
        ] {
            let threshold = Threshold::parse(text).unwrap();
            assert!((threshold.bound - bound).abs() < 1e-12, "{text}");
            assert_eq!(threshold.above, text.contains('>'), "{text}");
        }
        for wrong in ["", "p99", "p99>5", "p101>5ms", "px>1ms", "errors>x", "speed>1", "mean>ms", "hit_rate<80"] {
            assert!(Threshold::parse(wrong).is_err(), "{wrong}");
        }
    }
}

//! The curves of a run, and how they look in a terminal: latencies by percentile, and what went on by the second.

use hdrhistogram::Histogram;

use super::show::{Report, grouped, ratio, real, time};
use crate::render::spark::{area, spark};

/// Columns of a picture, and rows of one that has several.
const COLUMNS: usize = 60;
const ROWS: usize = 5;

/// Fewer latencies than this are a few points and no curve.
const LATENCIES_LEAST: u64 = 100;

/// A curve that rises by less than this, as a ratio, is a line.
const RISE_LEAST: f64 = 1.2;

/// One second, of all runs together.
pub struct Moment {
    /// Operations a second, of one run.
    pub rate: f64,
    pub errors: u64,
    /// Nanoseconds.
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

/// The whole seconds of all runs.
pub fn moments(report: &Report<'_>) -> Vec<Moment> {
    let runs = real(report.runs.len() as u64);
    // The last replies come a little after the end, or a little before it.
    let whole = report.runs.iter().map(|run| (run.elapsed.as_millis() + 20) / 1000).max().unwrap_or_default();
    let seconds = report.tally.seconds.iter().take(usize::try_from(whole).unwrap_or(usize::MAX));
    let moment = |second: &crate::bench::Second| Moment {
        rate: ratio(real(second.done), runs),
        errors: second.errors,
        p50: second.latency(0.5),
        p99: second.latency(0.99),
        max: second.latency_max,
    };
    seconds.map(moment).collect()
}

/// Latencies by percentile, on an axis on which 90 %, 99 % and 99.9 % are as far from each other as 0 % is from
/// the first: so many nines, and nanoseconds. It ends where one latency is what is left.
pub fn spectrum(latency: &Histogram<u64>, points: usize) -> Vec<(f64, f64)> {
    let nines_most = real(latency.len().max(10)).log10();
    let point = |at: usize| {
        let nines = nines_most * real(at as u64) / real(points as u64 - 1);
        let value = latency.value_at_quantile(1.0 - 10_f64.powf(-nines));
        (nines, real(if at + 1 == points { latency.max() } else { value.min(latency.max()) }))
    };
    (0..points).map(point).collect()
}

/// The names of whole nines.
pub fn nines(count: usize) -> String {
    match count {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more - 2)),
    }
}

/// The lines of the latency curve; none where it would say nothing.
pub fn latency_lines(latency: &Histogram<u64>) -> Vec<String> {
    let points = spectrum(latency, COLUMNS);
    let (least, most) = (points[0].1.max(1.0), points[COLUMNS - 1].1);
    if latency.len() < LATENCIES_LEAST || most < least * RISE_LEAST {
        return Vec::new();
    }
    let share = |(_, ns): &(f64, f64)| (ns.max(least) / least).ln() / (most / least).ln();
    let shares: Vec<f64> = points.iter().map(share).collect();
    let (top, foot) = (time(most), time(least));
    let width = top.chars().count().max(foot.chars().count());
    let mut lines: Vec<String> = area(&shares, ROWS);
    for (at, line) in lines.iter_mut().enumerate() {
        let label = [(0, &top), (ROWS - 1, &foot)].into_iter().find(|(row, _)| *row == at).map_or("", |(_, text)| text);
        *line = format!("{label:>width$} {line}");
    }
    let nines_most = points[COLUMNS - 1].0;
    let mut axis = vec![' '; COLUMNS + 10];
    for count in 0.. {
        let at = real(count) / nines_most * real(COLUMNS as u64);
        // A name is no longer than its axis, and none stands on another.
        let name = nines(usize::try_from(count).unwrap_or_default());
        if at > real(COLUMNS as u64) - 4.0 {
            break;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in the axis")]
        let from = at as usize;
        for (cell, letter) in axis[from..].iter_mut().zip(name.chars()) {
            *cell = letter;
        }
    }
    let axis: String = axis.into_iter().collect();
    lines.push(format!("{:width$} {}", "", axis.trim_end()));
    lines.insert(0, "latency by percentile:".to_owned());
    lines
}

/// The rows of what went on by the second; none where there were too few.
pub fn second_rows(moments: &[Moment]) -> Vec<Vec<String>> {
    if moments.len() < 3 {
        return Vec::new();
    }
    let shown = &moments[moments.len().saturating_sub(COLUMNS)..];
    let row = |name: &str, value: fn(&Moment) -> f64, text: fn(f64) -> String| {
        let values: Vec<f64> = shown.iter().map(value).collect();
        let (least, most) = values.iter().fold((f64::MAX, 0.0_f64), |(a, b), one| (a.min(*one), b.max(*one)));
        vec![name.to_owned(), text(least), spark(&values), text(most)]
    };
    vec![
        row("per s", |moment| moment.rate, grouped),
        row("p50", |moment| real(moment.p50), time),
        row("p99", |moment| real(moment.p99), time),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_has_the_quantiles_at_their_nines() {
        let mut latency = Histogram::<u64>::new(3).unwrap();
        (1..=10_000).for_each(|value| latency.record(value * 1000).unwrap());
        let points = spectrum(&latency, 41);
        for (at, nines, us) in [(0, 0.0, 1.0), (10, 1.0, 9000.0), (20, 2.0, 9900.0), (40, 4.0, 10_000.0)] {
            let (found, ns) = points[at];
            assert!((found - nines).abs() < 1e-9 && (ns / 1000.0 / us - 1.0).abs() < 0.002, "{at}: {found} {ns}");
        }
        let lines = latency_lines(&latency);
        assert_eq!(lines.len(), ROWS + 2);
        assert!(lines[1].starts_with("10.0") && lines[1].ends_with('█'), "{lines:?}");
        assert!(lines[ROWS + 1].trim_start().starts_with("0 %            90 %           99 %"), "{lines:?}");
        assert_eq!([nines(0), nines(2), nines(4)], ["0 %", "99 %", "99.99 %"]);
    }

    #[test]
    fn what_is_no_curve_is_not_drawn() {
        let mut latency = Histogram::<u64>::new(3).unwrap();
        assert!(latency_lines(&latency).is_empty());
        latency.record_n(5000, 1000).unwrap();
        assert!(latency_lines(&latency).is_empty());
        assert!(second_rows(&[]).is_empty());
    }
}

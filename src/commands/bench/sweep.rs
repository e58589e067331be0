//! `bench --sweep`: open loops at rates that go up, until the server does not bear them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::show::{Offered, Report, Setting, grouped, real, rounded, time, us};
use super::{Measurement, Site};
use crate::backend::{Backend, Server};
use crate::bench::sweep::{Bearing, STEPS_MOST, Search, Tried};
use crate::bench::{End, Pace, Plan, Summary, run as load};
use crate::interrupt::Interrupt;
use crate::render::{self, Printer};
use crate::stats::server::percent;

/// The quantiles of a step, by name.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// One rate, and what it has come to.
pub struct Step {
    pub asked: f64,
    pub sent: f64,
    pub achieved: f64,
    pub errors: u64,
    /// Nanoseconds, by [`QUANTILES`].
    pub latencies: [u64; QUANTILES.len()],
    pub latency_max: u64,
    /// How many processors the load itself took.
    pub processors: f64,
    /// Whether the server bears it.
    pub bearing: Bearing,
}

/// All rates that were tried, in this order.
pub struct Sweep {
    pub steps: Vec<Step>,
    /// Whether the time was up before the search was.
    pub cut_short: bool,
}

/// The run at the highest rate that was borne, or at the last where none was, and all that were tried. No step begins
/// that would not end within `bound`.
///
/// # Errors
/// When the server cannot be reached any more.
pub fn measure(
    bound: Duration,
    plan: &Plan,
    site: &Site<'_>,
    control: &mut dyn Backend,
    interrupt: &Interrupt,
    printer: &Printer,
) -> Result<(Plan, Measurement)> {
    let started = Instant::now();
    let step_time = bound / STEPS_MOST;
    let warmup = step_time / 5;
    let mut sweep = Sweep { steps: Vec::new(), cut_short: false };
    let mut progress = printer.progress("sweep");
    let mut search = Search::default();
    let mut best: Option<(Plan, Summary, Server, Server)> = None;
    while let Some(rate) = search.next().filter(|_| !interrupt.is_set()) {
        if started.elapsed() + step_time > bound {
            sweep.cut_short = true;
            break;
        }
        progress.say(format!("{}/s", grouped(rate)));
        let sending = step_time - warmup;
        let plan = Plan { pace: Pace::Open(rate), warmup, end: End::After(sending), ..plan.clone() };
        let before = control.server().unwrap_or_default();
        let summary = load(&plan, &site.target(), interrupt, None).context("cannot put load on it")?;
        let whole = summary.is_whole();
        let after = if summary.trouble.is_none() { control.server().unwrap_or_default() } else { Server::default() };
        let bearing =
            if whole || best.is_none() { sweep.add(&plan, sending, &summary, &mut search) } else { Bearing::Short };
        // What ended early is what there is to say; else the best is.
        if best.is_none() || bearing == Bearing::Borne || summary.trouble.is_some() {
            best = Some((plan, summary, before, after));
        }
        if !whole {
            break;
        }
    }
    let (plan, summary, before, after) =
        best.unwrap_or_else(|| (plan.clone(), Summary::default(), Server::default(), Server::default()));
    Ok((plan, Measurement { runs: vec![summary], before, after, sweep: Some(sweep) }))
}

impl Sweep {
    /// Takes in a step that sent for so long, and tells the search.
    fn add(&mut self, plan: &Plan, time: Duration, summary: &Summary, search: &mut Search) -> Bearing {
        let nothing = Server::default();
        let report = Report::new(plan, Setting::default(), vec![summary.clone()], &nothing, &nothing);
        let Offered { asked, sent, .. } = report.offered().unwrap_or_default();
        // What was sent after its time, though it was due before, was not achieved in it. That the last replies come
        // later than the last requests is no delay.
        let served = report.tally.service.as_ref().map_or(0, |service| service.value_at_quantile(0.99));
        let sending = summary.elapsed.saturating_sub(Duration::from_nanos(served)).max(time);
        let done = report.done_as_asked();
        let achieved = real(done) / sending.as_secs_f64();
        let latencies = QUANTILES.map(|(_, quantile)| report.all.latency.value_at_quantile(quantile));
        // Of 31.25 a second 6 or 7 fall into a fifth of one: what is a request short is none.
        let judged = if done > 0 { real(done + 1) / sending.as_secs_f64() } else { 0.0 };
        let bearing = search.tell(&Tried { asked, achieved: judged, p99: latencies[1] });
        self.steps.push(Step {
            asked,
            sent,
            achieved,
            errors: report.tally.errors_count(),
            latencies,
            latency_max: report.all.latency.max(),
            processors: report.cpu().1,
            bearing,
        });
        bearing
    }

    /// The steps by their rates; of a rate that was tried twice, the last.
    pub fn curve(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = Vec::new();
        for step in &self.steps {
            steps.retain(|other| other.asked != step.asked);
            steps.push(step);
        }
        steps.sort_by(|one, other| one.asked.total_cmp(&other.asked));
        steps
    }

    /// The highest rate that is borne, and the lowest above it that is not.
    pub fn knee(&self) -> (Option<&Step>, Option<&Step>) {
        let curve = self.curve();
        let knee = curve.iter().rposition(|step| step.bearing == Bearing::Borne);
        let above = curve.get(knee.map_or(0, |knee| knee + 1));
        (knee.map(|knee| curve[knee]), above.copied())
    }

    /// The sentence of the whole search.
    pub fn sentence(&self, threads: usize) -> String {
        let (knee, above) = self.knee();
        let above_it = above.map(|above| {
            let (asked, late) = (grouped(above.asked), time(real(above.latencies[1])));
            let full = above.processors > 0.95 * real(threads as u64);
            let full =
                if full { "; the load itself takes all the processor it may, so --threads may reach more" } else { "" };
            match above.bearing {
                Bearing::Short => format!("{asked}/s comes to {}/s, p99 {late}{full}", grouped(above.achieved)),
                _ => format!("at {asked}/s p99 is {late}{full}"),
            }
        });
        let knee_at =
            knee.map(|knee| format!("knee at {}/s: p99 {}", grouped(knee.asked), time(real(knee.latencies[1]))));
        let cut = if self.cut_short { "; the time was up before the search was" } else { "" };
        match (knee_at, above_it) {
            (Some(knee), Some(above)) => format!("{knee}; above it, {above}{cut}"),
            (Some(knee), None) => format!("no knee up to what was tried: {}{cut}", knee.replacen("knee at ", "", 1)),
            (None, Some(above)) => format!("no rate that was tried is borne: {above}{cut}"),
            (None, None) => "no rate was tried".to_owned(),
        }
    }

    /// The steps by their rates, for people; the header first.
    pub fn table(&self) -> (Vec<&'static str>, Vec<Vec<String>>) {
        let header = ["asked/s", "achieved/s"]
            .into_iter()
            .chain(QUANTILES.iter().map(|(name, _)| *name))
            .chain(["max", "errors", "client", ""])
            .collect();
        let (knee, _) = self.knee();
        let row = |step: &&Step| {
            let said = match step.bearing {
                Bearing::Borne if knee.is_some_and(|knee| knee.asked == step.asked) => "knee",
                Bearing::Borne => "",
                Bearing::Short => "not achieved",
                Bearing::Late => "late",
            };
            [grouped(step.asked), grouped(step.achieved)]
                .into_iter()
                .chain(step.latencies.iter().map(|latency| time(real(*latency))))
                .chain([time(real(step.latency_max)), render::grouped(step.errors), percent(step.processors)])
                .chain([said.to_owned()])
                .collect::<Vec<String>>()
        };
        (header, self.curve().iter().map(row).collect())
    }

    /// The steps in their order, by name, for scripts.
    pub fn rows(&self) -> Vec<Vec<(String, Value)>> {
        let (knee, _) = self.knee();
        let row = |step: &Step| {
            let latencies =
                QUANTILES.iter().zip(step.latencies).map(|((name, _), value)| (format!("{name}_us"), us(real(value))));
            let is_knee = knee.is_some_and(|knee| std::ptr::eq(knee, step));
            let head =
                [("asked", rounded(step.asked)), ("sent", rounded(step.sent)), ("achieved", rounded(step.achieved))];
            let tail = [
                ("max_us", us(real(step.latency_max))),
                ("errors", json!(step.errors)),
                ("client_processors", rounded(step.processors)),
                ("borne", json!(step.bearing == Bearing::Borne)),
                ("knee", json!(is_knee)),
            ];
            let named = |(name, value): (&str, Value)| (name.to_owned(), value);
            head.map(named).into_iter().chain(latencies).chain(tail.map(named)).collect()
        };
        self.steps.iter().map(row).collect()
    }

    /// All of it, for the record.
    pub fn record(&self) -> Value {
        let asked = |step: Option<&Step>| step.map_or(Value::Null, |step| rounded(step.asked));
        let (knee, above) = self.knee();
        let steps: Vec<Value> = self.rows().into_iter().map(|row| Value::Object(row.into_iter().collect())).collect();
        json!({"knee": asked(knee), "above": asked(above), "cut_short": self.cut_short, "steps": steps})
    }
}

//! A plot as SVG: lines between axes. It knows numbers and names, and not what they are of.

use std::fmt::Write as _;

use super::show::real;
use crate::render::escape;

/// The size of a plot, and the room for what stands beside and below it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 274.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 40.0;

/// An axis: where a number is on it, as a share, and what is written where.
pub struct Axis {
    scale: Scale,
    name: &'static str,
    ticks: Vec<(f64, String)>,
}

#[derive(Clone, Copy)]
enum Scale {
    Linear { least: f64, most: f64 },
    Log { least: f64, most: f64 },
}

/// More ticks than this stand too close.
const TICKS_MOST: usize = 8;

impl Axis {
    /// From 0 to at least `most`.
    pub fn linear(name: &'static str, most: f64, label: impl Fn(f64) -> String) -> Axis {
        let most = if most > 0.0 { most } else { 1.0 };
        // Steps of 1, 2 or 5 times a power of ten, of which there are four to eight.
        let rough = most / 4.0;
        let unit = 10_f64.powf(rough.log10().floor());
        let step = [5.0, 2.0, 1.0].into_iter().map(|times| times * unit).find(|step| *step <= rough).unwrap_or(unit);
        let mut ticks = vec![0.0];
        while ticks[ticks.len() - 1] < most {
            ticks.push(step * real(ticks.len() as u64));
        }
        let most = ticks[ticks.len() - 1];
        let ticks = ticks.into_iter().map(|tick| (tick, label(tick))).collect();
        Axis { scale: Scale::Linear { least: 0.0, most }, name, ticks }
    }

    /// From the 1, 2 or 5 times a power of ten below `least` to that above `most`; both are above 0.
    pub fn log(name: &'static str, least: f64, most: f64, label: impl Fn(f64) -> String) -> Axis {
        let most = most.max(least * 1.01);
        let mut decade = 10_f64.powf(least.log10().floor());
        let mut all = Vec::new();
        while all.last().is_none_or(|last| *last < most) {
            all.extend([1.0, 2.0, 5.0].map(|times| times * decade));
            decade *= 10.0;
        }
        let from = all.iter().rposition(|tick| *tick <= least).unwrap_or(0);
        let to = all.iter().position(|tick| *tick >= most).unwrap_or(all.len() - 1);
        let mut shown = all[from..=to].to_vec();
        let (least, most) = (shown[0], shown[shown.len() - 1]);
        if shown.len() > TICKS_MOST {
            // Powers of ten only.
            shown.retain(|tick| (tick.log10() - tick.log10().round()).abs() < 1e-9);
        }
        let ticks = shown.into_iter().map(|tick| (tick, label(tick))).collect();
        Axis { scale: Scale::Log { least, most }, name, ticks }
    }

    /// From 0 to `most`, with a tick at each whole number.
    pub fn whole(name: &'static str, most: f64, label: impl Fn(usize) -> String) -> Axis {
        let all = (0_usize..).map(|tick| (real(tick as u64), tick));
        let ticks = all.take_while(|(place, _)| *place <= most).map(|(place, tick)| (place, label(tick))).collect();
        Axis { scale: Scale::Linear { least: 0.0, most }, name, ticks }
    }

    fn share(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear { least, most } => (value - least) / (most - least),
            Scale::Log { least, most } => (value.max(least) / least).ln() / (most / least).ln(),
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// A line through points.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A place on the first axis that has a name.
pub struct Mark {
    pub name: String,
    pub at: f64,
}

/// The plot of `lines`, of which the first six have colours of their own. Names are escaped here.
pub fn plot(x: &Axis, y: &Axis, lines: &[Line], mark: Option<&Mark>) -> String {
    let (right, foot) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let across = |value: f64| LEFT + x.share(value) * (right - LEFT);
    let up = |value: f64| foot - y.share(value) * (foot - TOP);
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n");
    for (value, label) in &y.ticks {
        let (at, text) = (up(*value), html(label));
        let _ = writeln!(out, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
        let _ = writeln!(out, "<text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>", LEFT - 6.0, at + 4.0);
    }
    for (value, label) in &x.ticks {
        let (at, text) = (across(*value), html(label));
        let _ = writeln!(out, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{foot}\"/>");
        let _ = writeln!(out, "<text class=\"x\" x=\"{at:.1}\" y=\"{:.1}\">{text}</text>", foot + 16.0);
    }
    let (middle, below) = ((LEFT + right) / 2.0, HEIGHT - 6.0);
    let _ = writeln!(out, "<text class=\"x\" x=\"{middle:.1}\" y=\"{below:.1}\">{}</text>", html(x.name));
    let _ = writeln!(out, "<text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", LEFT - 6.0, TOP - 12.0, html(y.name));
    if let Some(mark) = mark {
        let (at, text) = (across(mark.at), html(&mark.name));
        let _ = writeln!(out, "<line class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{foot}\"/>");
        let _ = writeln!(out, "<text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>", at - 5.0, TOP + 12.0);
    }
    for (nth, line) in lines.iter().enumerate() {
        let points: Vec<String> =
            line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", across(*at), up(*value))).collect();
        let (name, points) = (html(&line.name), points.join(" "));
        let _ = writeln!(out, "<polyline class=\"c{nth}\" points=\"{points}\"><title>{name}</title></polyline>");
    }
    out.push_str("</svg>\n");
    if lines.len() > 1 {
        out.push_str("<p class=\"key\">");
        for (nth, line) in lines.iter().enumerate() {
            let _ = write!(out, "<span><i class=\"c{nth}\"></i>{}</span>", html(&line.name));
        }
        out.push_str("</p>\n");
    }
    out
}

/// Text as a page has it: nothing in it is a tag, an entity or a control character.
pub fn html(text: &str) -> String {
    let text = escape::message(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> String {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn axes_begin_and_end_at_round_numbers() {
        let text = |value: f64| value.to_string();
        for (most, expected) in [(10.0, "0 2 4 6 8 10"), (97.0, "0 20 40 60 80 100"), (0.0, "0 0.2 0.4 0.6 0.8 1")] {
            let axis = Axis::linear("", most, |value| format!("{}", (value * 10.0).round() / 10.0));
            assert_eq!(labels(&axis), expected, "{most}");
            assert!(axis.share(most) > 0.85 || most == 0.0);
        }
        for (least, most, expected) in
            [(30.0, 900.0, "20 50 100 200 500 1000"), (1.0, 1.0, "1 2"), (7.0, 2e6, "10 100 1000 10000 100000 1000000")]
        {
            let axis = Axis::log("", least, most, text);
            assert_eq!(labels(&axis), expected, "{least} to {most}");
            assert!((0.0..=1.0).contains(&axis.share(least)) && axis.share(f64::NAN) == 0.0);
        }
        assert_eq!(labels(&Axis::whole("", 2.5, |tick| tick.to_string())), "0 1 2");
    }

    #[test]
    fn points_are_where_they_should_be_and_names_are_no_tags() {
        let (x, y) = (Axis::linear("x", 10.0, |_| String::new()), Axis::log("y", 1.0, 100.0, |_| String::new()));
        let line = Line { name: "<b>&\u{1b}\"".to_owned(), points: vec![(0.0, 1.0), (5.0, 10.0), (10.0, 100.0)] };
        let svg = plot(&x, &y, &[line], Some(&Mark { name: "<i>".to_owned(), at: 5.0 }));
        assert!(svg.contains("points=\"72.0,234.0 378.0,130.0 684.0,26.0\""), "{svg}");
        assert!(svg.contains("&lt;b&gt;&amp;\\x1b&quot;") && svg.contains("&lt;i&gt;"), "{svg}");
        assert!(!svg.contains("<b>") && !svg.contains("<i>") && !svg.contains('\u{1b}'), "{svg}");
    }
}

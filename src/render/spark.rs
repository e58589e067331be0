//! Numbers as a row of blocks: how they went, and how full something is.

/// From nothing to all.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One block for each value, as high as it is beside the highest. A value that is no number is a gap.
#[must_use]
pub fn spark(values: &[f64]) -> String {
    let top = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let block = |value: &f64| match value.is_finite() {
        false => ' ',
        true if top == 0.0 => LEVELS[0],
        true => level((value / top).clamp(0.0, 1.0)),
    };
    values.iter().map(block).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is from 0 to 1")]
fn level(share: f64) -> char {
    LEVELS[((share * 8.0) as usize).min(7)]
}

/// The same in so many lines, the highest first: a column for each of `shares`, which are from 0 to 1.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a picture has few lines")]
pub fn area(shares: &[f64], lines: usize) -> Vec<String> {
    let block = |share: f64, line: usize| match share * lines as f64 - (lines - 1 - line) as f64 {
        // What is nothing shows as the foot of the picture.
        part if part <= 0.0 && line + 1 < lines => ' ',
        part => level(part.clamp(0.0, 1.0)),
    };
    (0..lines).map(|line| shares.iter().map(|share| block(*share, line)).collect()).collect()
}

/// A bar of `width` cells, of which `share` (from 0 to 1) are full. What is not nothing shows.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the share is from 0 to 1, and a width is that of a terminal"
)]
pub fn bar(share: f64, width: usize) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let full = (share * width as f64).round() as usize;
    let full = if share > 0.0 { full.max(1).min(width) } else { 0 };
    "█".repeat(full) + &"░".repeat(width - full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_high_as_what_they_stand_for() {
        for (values, shown) in [
            (&[][..], ""),
            (&[0.0, 0.0], "▁▁"),
            (&[0.0, 1.0, 2.0, 4.0, 8.0], "▁▂▃▅█"),
            (&[f64::NAN, 5.0, f64::INFINITY], " █ "),
            (&[-1.0, 1.0], "▁█"),
        ] {
            assert_eq!(spark(values), shown, "{values:?}");
        }
        for (share, shown) in
            [(0.0, "░░░░"), (0.001, "█░░░"), (0.5, "██░░"), (1.0, "████"), (7.0, "████"), (f64::NAN, "░░░░")]
        {
            assert_eq!(bar(share, 4), shown, "{share}");
        }
        assert_eq!(bar(0.5, 0), "");
        assert_eq!(area(&[0.0, 0.25, 0.5, 0.75, 1.0], 2), ["   ▅█", "▁▅███"]);
    }
}

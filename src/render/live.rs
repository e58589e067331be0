//! Lines on a terminal that are written over again and again, in the place where they stand.
//!
//! Nothing is hidden, no mode is changed and no other screen is used: whatever ends the program, the
//! terminal is as it was, with the last lines on it.

use std::io::Write;

use super::{Printer, escape};
use crate::value::print::PrintError;

/// Lines that are drawn, and where.
#[derive(Default)]
pub struct Live {
    lines: usize,
    size: Option<(usize, usize)>,
}

impl Live {
    /// Puts `lines` in the place of those before. What is wider than the terminal is cut, and what is
    /// higher left out. On a terminal that has changed its size, nobody knows where the lines before
    /// are by now: they stay, and these stand below.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, lines: &[String], printer: &mut Printer) -> Result<(), PrintError> {
        let size @ (columns, rows) = printer.size();
        let mut frame = String::new();
        if self.size == Some(size) && self.lines > 0 {
            frame.push_str(&format!("\x1b[{}A", self.lines));
        }
        // The last row is the cursor's.
        let shown = &lines[..lines.len().min(rows.saturating_sub(1))];
        for line in shown {
            // In the last column some terminals wrap, and some do not.
            frame.extend(escape::message(line).chars().take(columns.saturating_sub(1)));
            frame.push_str("\x1b[K\n");
        }
        frame.push_str("\x1b[J");
        (self.lines, self.size) = (shown.len(), Some(size));
        printer.out.write_all(frame.as_bytes())?;
        printer.flush()
    }

    /// Leaves the lines where they are, and the line below them empty: control-C echoes there.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn end(&mut self, printer: &mut Printer) -> Result<(), PrintError> {
        printer.out.write_all(b"\r\x1b[K")?;
        printer.flush()
    }
}

//! Every limit in one place: values, replies and files are hostile until decoded.
//!
//! A count, a length or a depth that comes from bytes meets a field of [`Limits`] before memory is
//! reserved or a level is entered. [`LIMITS`] is the table that `--max NAME=N`, the help and the
//! error messages walk; it knows nothing of who checks what.

use std::fmt;

/// What one command may spend on the bytes it did not write itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one stored value that are read from a backend.
    pub stored: u64,
    /// Bytes that one layer of a codec may put out, and that a whole value may decode to.
    pub decoded: u64,
    /// Output bytes per input byte of one decompression, looked at from [`RATIO_FLOOR`] bytes on.
    pub ratio: u64,
    /// Bytes of history that a compressed stream may ask to be kept.
    pub window: u64,
    /// Nodes of a decoded value: containers, their members, objects.
    pub nodes: u64,
    /// Containers inside containers.
    pub depth: u64,
    /// Opcodes of one pickle.
    pub opcodes: u64,
    /// Bytes of one integer.
    pub integer: u64,
    /// Nodes printed for one value, shared parts counted each time they are printed.
    pub printed: u64,
    /// Bytes of text printed for one value, before any escape, shared parts counted each time.
    pub output: u64,
    /// Layers in one serializer URL.
    pub layers: u64,
    /// Pages of a scan of a server, one after the other, that show nothing.
    pub scan: u64,
}

/// Small inputs may compress as well as they like: a mebibyte of zeros is no bomb.
pub const RATIO_FLOOR: u64 = 16 << 20;

/// A value's text is addressed by 32 bits, so no limit on bytes can be raised past this.
pub const BYTES_CEILING: u64 = u32::MAX as u64 / 2;

impl Limits {
    /// What holds when nobody says otherwise: any value of an ordinary cache, in under 256 MiB.
    pub const DEFAULT: Limits = Limits {
        stored: 64 << 20,
        decoded: 64 << 20,
        ratio: 1000,
        window: 128 << 20,
        nodes: 4 << 20,
        depth: 1024,
        opcodes: 16 << 20,
        integer: 1 << 20,
        printed: 4 << 20,
        output: 128 << 20,
        layers: 16,
        scan: 1 << 20,
    };

    /// `Ok` when `count` is within the limit that `name` stands for in [`LIMITS`].
    ///
    /// # Errors
    /// [`Exceeded`], which names the limit and the option that raises it.
    pub fn check(&self, name: &'static str, count: u64) -> Result<(), Exceeded> {
        let exceeded = self.exceeded(name);
        if count > exceeded.most { Err(exceeded) } else { Ok(()) }
    }

    /// The error for a limit that a hot loop has compared by itself.
    #[must_use]
    #[cold]
    pub fn exceeded(&self, name: &'static str) -> Exceeded {
        let row = row(name).expect("limits are checked by names in the table");
        let mut copy = *self;
        Exceeded { name, unit: row.unit, most: *(row.field)(&mut copy) }
    }

    /// Sets one limit from `NAME=N`.
    ///
    /// # Errors
    /// A sentence that says what is expected, when the name or the number is not one.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, number) = text.split_once('=').ok_or("expected NAME=N, such as depth=2000")?;
        let row = row(name).ok_or_else(|| {
            let names: Vec<&str> = LIMITS.iter().map(|row| row.name).collect();
            format!("no limit is called `{name}`; expected one of {}", names.join(", "))
        })?;
        let number = count(number).ok_or_else(|| format!("`{number}` is not a number, such as 5000 or 256MiB"))?;
        if row.unit == "bytes" && number > BYTES_CEILING {
            return Err(format!("`{name}` can be raised to {BYTES_CEILING} bytes at most"));
        }
        *(row.field)(self) = number;
        Ok(())
    }
}

/// One row a limit.
pub struct Limit {
    /// As `--max` spells it.
    pub name: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// What it bounds, for the help.
    pub about: &'static str,
    /// Where it is kept.
    pub field: fn(&mut Limits) -> &mut u64,
}

/// The table of limits.
pub const LIMITS: &[Limit] = &[
    Limit { name: "stored", unit: "bytes", about: "one stored value, as read", field: |l| &mut l.stored },
    Limit { name: "decoded", unit: "bytes", about: "what a layer or a value decodes to", field: |l| &mut l.decoded },
    Limit { name: "ratio", unit: "times", about: "output to input of one decompression", field: |l| &mut l.ratio },
    Limit { name: "window", unit: "bytes", about: "history kept to decompress a stream", field: |l| &mut l.window },
    Limit { name: "nodes", unit: "nodes", about: "members, containers, objects of a value", field: |l| &mut l.nodes },
    Limit { name: "depth", unit: "levels", about: "containers inside containers", field: |l| &mut l.depth },
    Limit { name: "opcodes", unit: "opcodes", about: "opcodes of one pickle", field: |l| &mut l.opcodes },
    Limit { name: "integer", unit: "bytes", about: "one integer", field: |l| &mut l.integer },
    Limit { name: "printed", unit: "nodes", about: "nodes printed, shared ones each time", field: |l| &mut l.printed },
    Limit { name: "output", unit: "bytes", about: "text printed, shared text each time", field: |l| &mut l.output },
    Limit { name: "layers", unit: "layers", about: "layers in one serializer URL", field: |l| &mut l.layers },
    Limit { name: "scan", unit: "pages", about: "empty pages of a scan in a row", field: |l| &mut l.scan },
];

fn row(name: &str) -> Option<&'static Limit> {
    LIMITS.iter().find(|row| row.name == name)
}

/// `5000`, `64KiB`, `256MiB`, `2GiB`.
fn count(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "KiB" | "K" | "k" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The limit's name in [`LIMITS`].
    pub name: &'static str,
    /// What it counts.
    pub unit: &'static str,
    /// How much was allowed.
    pub most: u64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exceeded { name, unit, most } = self;
        write!(f, "over the limit `{name}` of {most} {unit} (raise it with --max {name}=N)")
    }
}

impl std::error::Error for Exceeded {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_by_name_and_checked_by_name() {
        let mut limits = Limits::DEFAULT;
        limits.set("depth=3").unwrap();
        assert!(limits.check("depth", 3).is_ok());
        let error = limits.check("depth", 4).unwrap_err();
        assert_eq!(error.to_string(), "over the limit `depth` of 3 levels (raise it with --max depth=N)");
    }

    #[test]
    fn sizes_take_units_and_a_ceiling() {
        let mut limits = Limits::DEFAULT;
        limits.set("decoded=1GiB").unwrap();
        assert_eq!(limits.decoded, 1 << 30);
        for wrong in ["decoded=3GiB", "decoded=1XB", "decoded=", "deph=1", "depth", "depth=-1"] {
            assert!(limits.set(wrong).is_err(), "{wrong}");
        }
    }
}

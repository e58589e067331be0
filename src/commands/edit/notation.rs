//! The notations in which a value can be edited: text out, and back without a loss.

use anyhow::Result;

use crate::codec::{self, Codec, Decoded, Fault, literal};
use crate::exit::Stop;
use crate::limits::Limits;
use crate::render::text::{self, Style};
use crate::value::{Value, typed_json};

/// In which notation a value is edited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Notation {
    /// Typed JSON, which has a form for everything
    #[default]
    Json,
    /// Python, for what consists of its literals: None, numbers, text, bytes, tuples, lists, dicts, sets
    Python,
}

/// In JSON, for an editor, which is on a terminal.
const STYLE: Style = Style { notation: text::Notation::Json, colour: false, width: 100, terminal: true };

impl Notation {
    /// What a file in it is called after the dot, for editors to colour it.
    pub fn extension(self) -> &'static str {
        match self {
            Notation::Json => "json",
            Notation::Python => "py",
        }
    }

    /// What there is to know of it for who edits.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Notation::Json => Some("What JSON cannot say is an object with one $ name, such as {\"$tuple\": [1, 2]}."),
            Notation::Python => None,
        }
    }

    /// The value as text for an editor, on many lines.
    ///
    /// # Errors
    /// When the text would not read back as the same value, or is too long.
    pub fn write(self, value: &Value, limits: &Limits) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            Notation::Json => {
                let typed = typed_json::lower(value, limits)?;
                text::write_bare(&typed, &STYLE, limits, &mut out)?;
            }
            Notation::Python => {
                let style = Style { notation: text::Notation::Python, ..STYLE };
                text::write_bare(value, &style, limits, &mut out)?;
            }
        }
        out.push(b'\n');
        let why = match self.read(out.clone(), limits) {
            Ok(back) if back.same(value) => return Ok(out),
            Ok(_) => "parts of it are shared".to_owned(),
            Err(slip) => slip.message(0),
        };
        let told = match self {
            Notation::Json => "typed JSON of it",
            Notation::Python => "without --as it can be edited: as Python it",
        };
        Err(Stop::data(format!("{told} would not read back as the same value ({why})")).into())
    }

    /// The value that a text is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(self, text: Vec<u8>, limits: &Limits) -> Result<Value, Slip> {
        match self {
            Notation::Json => {
                let codec = Codec::parse("json://").expect("the layer is in the table");
                let decoded = codec.decode(text.clone(), limits).map_err(|error| Slip::at(&text, error))?;
                let Decoded { value, stages, .. } = decoded;
                // A key that is there twice: one of them would be lost without a word.
                if let Some(note) = stages.into_iter().flat_map(|stage| stage.notes).next() {
                    return Err(Slip::of(Stop::data(note).into()));
                }
                let lifted = typed_json::lift(&value, limits);
                lifted.map_err(|error| Slip::of(Stop::usage(format!("no typed JSON: {error}")).into()))
            }
            Notation::Python => literal::read(text.clone(), limits).map_err(|error| Slip::at(&text, error)),
        }
    }
}

/// What is wrong with a text.
#[derive(Debug)]
pub struct Slip {
    /// In which of its lines, the first being 1.
    line: Option<usize>,
    /// What.
    pub error: anyhow::Error,
}

impl Slip {
    /// Of the text as a whole.
    pub fn of(error: anyhow::Error) -> Slip {
        Slip { line: None, error }
    }

    /// Where the reader of `text` stopped. A line is easier to find than a byte.
    fn at(text: &[u8], error: codec::Error) -> Slip {
        let before = error.offset.and_then(|offset| text.get(..usize::try_from(offset).ok()?));
        let line = before.map(|before| before.iter().filter(|byte| **byte == b'\n').count() + 1);
        let error = match error.fault {
            Fault::Malformed(message) => Stop::usage(message).into(),
            _ => error.into(),
        };
        Slip { line, error }
    }

    /// In words, for a file that has so many lines above the text.
    pub fn message(&self, above: usize) -> String {
        match self.line {
            Some(line) => format!("line {}: {:#}", above + line, self.error),
            None => format!("{:#}", self.error),
        }
    }
}

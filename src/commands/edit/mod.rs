//! `edit`: a value in the user's editor, and back if nobody has changed the entry meanwhile.
//!
//! What was typed is never lost: from the first change on, whatever fails leaves it in its file and names
//! that. The program that edits and the file are rooms of their own; here is decided what becomes of them.

mod draft;
mod editor;
mod notation;

use std::ffi::OsString;
use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};

use self::draft::Draft;
use self::editor::Editor;
use self::notation::{Notation, Slip};
use super::arguments::{self, Tags};
use super::{Global, danger, get, target};
use crate::cache::{Cache, Encoded, Form, Found};
use crate::entry::{Entry, Stored, StoredKey, Ttl};
use crate::exit::{Exit, Stop};
use crate::interrupt::Hold;
use crate::limits::Limits;
use crate::render::{self, Printer, Record, escape};
use crate::value::Value;

/// Edit a value
///
/// It is opened in $VISUAL, $EDITOR or vi, and what is saved is stored in the serializer that the entry
/// has; its ttl and tags stay. What cannot be read, or would lose something, is opened again with the
/// reason. When the editor fails, or the entry has changed meanwhile, nothing is written and the status
/// is 1; what was typed is kept in its file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key, taken literally
    #[arg(value_name = "KEY", value_parser = arguments::key())]
    key: OsString,
    /// How the value is written in the file
    #[arg(long = "as", value_name = "NOTATION", value_enum, default_value_t)]
    notation: Notation,
    #[command(flatten)]
    tags: Tags,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let name = args.tags.names(std::slice::from_ref(&args.key), global.escaped)?.remove(0);
    let editor = Editor::of_environment()?;
    if global.profile.is_on("replica") {
        return Err(Stop::usage("--replica only reads, and edit writes: leave it out").into());
    }
    let mut cache = target::open(global, printer)?;
    let shown = escape::line(&name.key);
    let tried = || format!("cannot edit `{shown}`");
    let Found { stored_key, entry } = cache.entries(std::slice::from_ref(&name)).with_context(tried)?.remove(0);
    let (Some(place), Some(before)) = (stored_key, entry) else {
        super::miss(&name.key, cache.label(), printer);
        return Ok(Exit::No);
    };
    let subject = Subject::read(args, global, name.key.clone(), place, before, &cache, printer).with_context(tried)?;

    // In this order: the draft is removed while signals are held back still.
    let hold = Hold::take()?;
    let mut draft = Draft::create(args.notation.extension(), global.limits()).with_context(tried)?;
    let outcome = subject.edit(&cache, &editor, &hold, &mut draft, printer);
    let outcome = outcome.and_then(|edited| match edited {
        Some(edited) => subject.store(edited, &mut cache, &mut draft).map(Some),
        None => Ok(None),
    });
    let record = subject.record(outcome.as_ref().ok().and_then(Option::as_ref));
    // Whoever reads it may be gone: what was typed is kept all the same.
    let recorded = if records { printer.record(&record) } else { Ok(()) };
    match outcome {
        Ok(stored) => {
            subject.tell(stored.as_ref(), printer);
            Ok(recorded.map(|()| Exit::Yes)?)
        }
        Err(error) if draft.is_edited() => {
            let (exit, tried) = (Exit::of(&error), tried());
            let message = format!("{tried}: {error:#}; what you wrote is in {}", draft.keep().display());
            Err(Stop { exit, message }.into())
        }
        Err(error) => Err(error.context(tried())),
    }
}

/// An entry as it was read, and how it is to be edited.
struct Subject {
    key: Vec<u8>,
    place: StoredKey,
    before: Entry,
    value: Value,
    /// The chain that it was read by.
    chain: String,
    form: Form,
    notation: Notation,
    /// The value, as it is put into the file.
    text: Vec<u8>,
    limits: Limits,
    label: String,
}

/// What was edited, and what it is to be stored as.
struct Edited {
    value: Value,
    encoded: Encoded,
}

impl Subject {
    /// Reads the value, and makes sure that it could be written back: nobody is to find out after the work.
    fn read(
        args: &Args,
        global: &Global,
        key: Vec<u8>,
        place: StoredKey,
        before: Entry,
        cache: &Cache,
        printer: &mut Printer,
    ) -> Result<Subject> {
        if let Stored::Members(members) = &before.stored {
            let kind = members.kind();
            return Err(Stop::data(format!("it holds a {kind}, and edit takes what is one value")).into());
        }
        let reading = cache.reader().read(before.stored.clone())?;
        danger::check(&reading.names(), global, printer)?;
        if let Some(doubt) = get::doubt(&reading.chain) {
            printer.note(&doubt);
        }
        let form = target::codec(global)?.map_or(Form::AsIs, Form::By);
        let (value, limits) = (reading.value, global.limits());
        drop(cache.encode_over(&key, &before, &value, &form)?);
        let text = args.notation.write(&value, &limits)?;
        let (chain, notation, label) = (reading.chain.url, args.notation, cache.label().to_owned());
        Ok(Subject { key, place, before, value, chain, form, notation, text, limits, label })
    }

    /// Has the value edited until it can be stored; `None` when nothing was changed.
    fn edit(
        &self,
        cache: &Cache,
        editor: &Editor,
        hold: &Hold,
        draft: &mut Draft,
        printer: &mut Printer,
    ) -> Result<Option<Edited>> {
        let (mut body, mut slip) = (self.text.clone(), None::<Slip>);
        loop {
            draft.write(&self.head(slip.as_ref()), &body)?;
            printer.flush()?;
            editor.run(draft.path(), printer.beside())?;
            if hold.is_over() {
                return Err(Stop { exit: Exit::Interrupted, message: "interrupted".to_owned() }.into());
            }
            let edited = draft.body()?;
            if edited.trim_ascii().is_empty() {
                return Ok(None);
            }
            if edited == body {
                // Given up: the reason was told in the file.
                return slip.map_or(Ok(None), |slip| Err(self.stopped_by(slip)));
            }
            match self.understand(cache, edited.clone()) {
                Ok(understood) => return Ok(understood),
                Err(found) if std::io::stdin().is_terminal() => slip = Some(found),
                Err(found) => {
                    draft.write(&self.head(Some(&found)), &edited)?;
                    return Err(self.stopped_by(found));
                }
            }
            body = edited;
        }
    }

    /// The value that a text is, and what would be stored of it; `None` when it is the one there was.
    fn understand(&self, cache: &Cache, text: Vec<u8>) -> Result<Option<Edited>, Slip> {
        let mut value = self.notation.read(text, &self.limits)?;
        value.share_texts_as(&self.value);
        if value.same(&self.value) {
            return Ok(None);
        }
        let encoded = cache.encode_over(&self.key, &self.before, &value, &self.form);
        let encoded = encoded.map_err(|error| Slip::of(error.into()))?;
        Ok(Some(Edited { value, encoded }))
    }

    /// The error with its line in the file, as it is now.
    fn stopped_by(&self, slip: Slip) -> anyhow::Error {
        let exit = Exit::of(&slip.error);
        Stop { exit, message: slip.message(self.head_lines(true)) }.into()
    }

    /// Stores what was edited, unless the entry has changed; then the file is for `set`.
    fn store(&self, edited: Edited, cache: &mut Cache, draft: &mut Draft) -> Result<Encoded> {
        let replaced = cache.replace(&self.place, &self.before, &edited.encoded.data);
        if let Ok(true) = replaced {
            return Ok(edited.encoded);
        }
        draft.rename("value.json")?;
        draft.write("", &Notation::Json.write(&edited.value, &self.limits)?)?;
        replaced?;
        let there = cache.facts_at(std::slice::from_ref(&self.place)).is_ok_and(|facts| facts != [None]);
        let what = match there {
            true => {
                "somebody else has changed it meanwhile, and nothing was written (`edit` begins anew with what is \
                     there now, `set KEY @FILE --keep-ttl` stores yours over it, in the serializer that it has now)"
            }
            false => "it is gone meanwhile, and nothing was written (`set KEY @FILE` stores yours)",
        };
        Err(Stop { exit: Exit::No, message: what.to_owned() }.into())
    }

    /// What stands above the value in the file.
    fn head(&self, slip: Option<&Slip>) -> String {
        let ttl = match self.before.ttl {
            Ttl::Never => "no ttl".to_owned(),
            ttl => format!("ttl {}, which stays", render::ttl(ttl)),
        };
        let key = escape::line(&self.key);
        let mut lines = vec![format!("`{key}` on {}: {}, {ttl}", self.label, self.chain)];
        if self.key != self.place.key || self.place.field.is_some() {
            lines.push(format!("stored as `{}`", self.place));
        }
        lines.push(
            "Lines that begin with # are passed over. To change nothing, leave the file as it is, or empty.".into(),
        );
        lines.extend(self.notation.hint().map(str::to_owned));
        if let Some(slip) = slip {
            lines.push(format!("NOT STORED: {}", slip.message(self.head_lines(true))));
            lines.push("Mend it; or leave it as it is to give up, and the file is kept.".into());
        }
        lines.iter().map(|line| format!("# {}\n", escape::message(line).replace('\n', " "))).collect()
    }

    /// How many lines that is.
    fn head_lines(&self, slipped: bool) -> usize {
        self.head(None).lines().count() + if slipped { 2 } else { 0 }
    }

    fn record(&self, stored: Option<&Encoded>) -> Record {
        let record = Record::new().with_bytes("key", &self.key).with_place(Some(&self.place));
        let record = record.with("stored", stored.is_some());
        match stored {
            None => record,
            Some(stored) => record.with("serializer", stored.form.clone()).with("size", size(stored)),
        }
    }

    fn tell(&self, stored: Option<&Encoded>, printer: &mut Printer) {
        let Some(stored) = stored else { return printer.note("nothing was changed") };
        stored.notes.iter().for_each(|note| printer.note(note));
        let place = escape::message(&self.place.to_string());
        let ttl = if self.before.ttl == Ttl::Never { "no ttl" } else { "its ttl kept" };
        let size = render::bytes(size(stored) as u64);
        printer.note(&format!("stored `{place}` as {}, {size}, {ttl}", stored.form));
    }
}

/// Bytes of data; a number of the store's own type is 8.
fn size(stored: &Encoded) -> usize {
    stored.data.as_bytes().map_or(8, <[u8]>::len)
}

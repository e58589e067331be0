//! Values of a load that are the application's own: from an entry, or from a file, as `set` would store them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::{Global, target};
use crate::archive::{self, Item};
use crate::bench::{Coding, Sizes, Values};
use crate::cache::{Cache, Encoded, Form, Put, Reader};
use crate::codec::Codec;
use crate::entry::{Condition, Expiry, Stored};
use crate::exit::Stop;
use crate::layout::Name;
use crate::render::{Printer, escape};
use crate::value::Value;

/// Where values are taken from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file of lines; `-` is stdin.
    Lines(OsString),
    /// The entry of this key.
    Key(OsString),
}

impl Source {
    /// Reads `KEY`, `FILE.jsonl`, `@FILE` or `-`.
    pub fn parse(text: OsString) -> Source {
        let bytes = text.as_bytes();
        match bytes.strip_prefix(b"@") {
            Some(name) => Source::Lines(OsStr::from_bytes(name).to_owned()),
            None if bytes == b"-" || bytes.ends_with(b".jsonl") => Source::Lines(text),
            None => Source::Key(text),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Lines(name) if name == "-" => f.write_str("stdin"),
            Source::Lines(name) => f.write_str(&escape::message(&name.to_string_lossy())),
            Source::Key(key) => write!(f, "`{}`", escape::message(&key.to_string_lossy())),
        }
    }
}

/// Values as they are stored.
pub struct Objects {
    /// Their bytes.
    pub values: Values,
    /// Where each is.
    pub sizes: Sizes,
    /// By which chains.
    pub form: String,
    /// How one is encoded and decoded, where that was asked for.
    pub coding: Option<Coding>,
}

/// Takes the values, and encodes each as `set` would. `share` is how many are encoded and decoded once more.
///
/// # Errors
/// When there are none; when one does not encode, with its line.
pub fn objects(
    source: &Source,
    share: Option<f64>,
    global: &Global,
    cache: &mut Cache,
    printer: &mut Printer,
) -> Result<Objects> {
    let codec = target::codec(global)?;
    let encoded = match source {
        Source::Lines(name) => of_lines(name, &source.to_string(), codec.as_ref(), global, cache)?,
        Source::Key(key) => {
            vec![of_key(key, codec, global, cache).with_context(|| format!("the value of {source}"))?]
        }
    };
    let forms: BTreeSet<&str> = encoded.iter().map(|one| one.form.as_str()).collect();
    let form = forms.into_iter().collect::<Vec<_>>().join(", ");
    let notes: BTreeSet<&String> = encoded.iter().flat_map(|one| &one.notes).collect();
    notes.into_iter().for_each(|note| printer.note(note));
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut flags = None;
    for Encoded { data, form, .. } in encoded {
        let (its_flags, data) = match data {
            Stored::Bytes(data) => (0, data),
            Stored::Flagged(flags, data) => (flags, data),
            _ => return Err(Stop::usage(format!("bench writes bytes, and not {form}: -s URL says which")).into()),
        };
        if flags.is_some_and(|flags| flags != its_flags) {
            return Err(
                Stop::usage("the values have different flags: a load has one form, so -s URL says which").into()
            );
        }
        flags = Some(its_flags);
        bytes.push(data);
    }
    let given = Values::given(&bytes, flags.unwrap_or_default());
    let (values, sizes) = given.ok_or_else(|| Stop::usage(format!("the values of {source} are more than 4 GiB")))?;
    let coding = share.map(|share| coding(share, &form, &bytes, &sizes, global)).transpose()?;
    Ok(Objects { values, sizes, form, coding })
}

/// Encodes and decodes by the one chain that the values are in.
fn coding(share: f64, form: &str, bytes: &[Vec<u8>], sizes: &Sizes, global: &Global) -> Result<Coding> {
    let one = || Stop::usage(format!("the values are {form}, and --decode is about one chain: -s URL says which"));
    let codec = Codec::parse(form).map_err(|_| one())?;
    let Sizes::Given(places) = sizes else { return Err(one().into()) };
    let mut values: Vec<(u32, Value)> = Vec::with_capacity(bytes.len());
    for (bytes, (offset, _)) in bytes.iter().zip(places.iter()) {
        values.push((*offset, codec.decode(bytes.clone(), &global.limits())?.value));
    }
    let (decoder, limits) = (codec.clone(), global.limits());
    let encode = move |offset: u32| {
        // Where values are empty, several are at one place, and it does not matter which.
        if let Ok(at) = values.binary_search_by_key(&offset, |(offset, _)| *offset) {
            std::hint::black_box(codec.encode(&values[at].1, &limits).is_ok());
        }
    };
    let limits = global.limits();
    let decode = move |bytes| std::hint::black_box(decoder.decode(bytes, &limits)).is_ok();
    Ok(Coding { share, encode: Arc::new(encode), decode: Arc::new(decode) })
}

fn of_lines(
    name: &OsString,
    from: &str,
    codec: Option<&Codec>,
    global: &Global,
    cache: &Cache,
) -> Result<Vec<Encoded>> {
    let mut source = archive::Reader::new(super::typed::source(name)?, global.limits());
    let mut all = Vec::new();
    loop {
        let item = source.item();
        let at = || format!("line {} of {from}", source.number());
        match item.with_context(at)? {
            None => break,
            Some(Item::Held(held)) => {
                let form = format!("{}, as it was stored", held.stored.kind());
                all.push(Encoded { data: held.stored, form, notes: Vec::new() });
            }
            Some(Item::Value(line)) => {
                let form = codec.map_or(line.form, |codec| Form::By(codec.clone()));
                all.push(cache.encode(&put(line.name, line.value, form)).with_context(at)?);
            }
        }
    }
    match all.is_empty() {
        true => Err(Stop::usage(format!("there is no value in {from}")).into()),
        false => Ok(all),
    }
}

/// The value of an entry: in the bytes that are there, unless another codec is asked for.
fn of_key(key: &OsString, codec: Option<Codec>, global: &Global, cache: &mut Cache) -> Result<Encoded> {
    let name = Name::new(super::typed::keys(std::slice::from_ref(key), global.escaped)?.remove(0));
    let found = cache.entries(std::slice::from_ref(&name))?.remove(0);
    let entry = found.entry.ok_or_else(|| Stop::usage(format!("there is no such entry on {}", cache.label())))?;
    let Some(codec) = codec else {
        let form = cache.reader().read(entry.stored.clone())?.chain.url;
        return Ok(Encoded { data: entry.stored, form, notes: Vec::new() });
    };
    // What it is in now may be anything: the codec is what it is to be in.
    let reading = Reader::new(None, global.limits()).usually(codec.clone()).read(entry.stored)?;
    Ok(cache.encode(&put(name, reading.value, Form::By(codec)))?)
}

/// What is to be encoded.
fn put(name: Name, value: Value, form: Form) -> Put {
    Put { name, value, form, expiry: Expiry::Never, condition: Condition::Always }
}

//! How stored data becomes a value: through the codec that was asked for, or else through the one
//! that the bytes show.

use std::fmt;

use crate::codec::detect::{self, Certainty, Detection};
use crate::codec::{self, Codec, Decoded, Stage};
use crate::entry::{Members, Stored, StreamItem};
use crate::limits::Limits;
use crate::value::danger::Names;
use crate::value::{Node, Value};

/// Bytes to values: a codec that was asked for, or the usual one where it reads them, or detection.
/// Needs no backend.
#[derive(Clone)]
pub struct Reader {
    codec: Option<Codec>,
    usual: Option<Codec>,
    pub(super) limits: Limits,
}

/// A value, and how the stored data came to be it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The value.
    pub value: Value,
    /// By which chain.
    pub chain: Chain,
}

impl From<Detection> for Reading {
    fn from(Detection { url, certainty, rivals, why, decoded }: Detection) -> Reading {
        let Decoded { value, stages, passed } = decoded;
        Reading { value, chain: Chain { url, certainty: Some(certainty), why, not: None, rivals, stages, passed } }
    }
}

impl Reading {
    /// All that the stored bytes name, on the way to the value and in it.
    #[must_use]
    pub fn names(&self) -> Names {
        let mut names = self.chain.passed.clone();
        names.extend(Names::of(&self.value));
        names
    }
}

/// The chain that read a value.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Its URL. Where the store holds the value in a type of its own, that type.
    pub url: String,
    /// How sure that is, where nobody said which it is.
    pub certainty: Option<Certainty>,
    /// By what it was told.
    pub why: String,
    /// The layout's serializer, where it could not read the bytes and they were detected.
    pub not: Option<String>,
    /// Other chains that read all of the bytes too.
    pub rivals: Vec<String>,
    /// What each layer did, in the order of reading.
    pub stages: Vec<Stage>,
    /// What was named on the way, by pickles whose value was the next layer's bytes.
    pub passed: Names,
}

/// Bytes that did not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Why.
    pub error: codec::Error,
    /// What the bytes look like instead, in words.
    pub instead: Option<String>,
}

/// Bytes up to which a failure is worth a second look at what they are.
const HINT_MAX: usize = 1 << 20;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instead {
            Some(instead) => write!(f, "{}; {instead}", self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

impl std::error::Error for Unread {}

impl Reader {
    /// A reader by `codec`, or by detection.
    #[must_use]
    pub fn new(codec: Option<Codec>, limits: Limits) -> Reader {
        Reader { codec, usual: None, limits }
    }

    /// The limits that it reads within.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The same, which tries `codec` before it detects: the layout's, where nobody asked for any.
    #[must_use]
    pub fn usually(self, codec: Codec) -> Reader {
        Reader { usual: Some(codec), ..self }
    }

    /// The value of what a backend stored.
    ///
    /// # Errors
    /// The codec's, and what the bytes look like instead.
    pub fn read(&self, stored: Stored) -> Result<Reading, Unread> {
        let kept = match &stored {
            Stored::Bytes(bytes) | Stored::Flagged(_, bytes) if self.codec.is_some() && bytes.len() <= HINT_MAX => {
                Some(bytes.clone())
            }
            _ => None,
        };
        self.read_stored(stored).map_err(|error| {
            let detected = kept.and_then(|bytes| detect::detect(&bytes, &self.limits).ok());
            let other =
                detected.filter(|detection| self.codec.as_ref().is_some_and(|asked| asked.url() != detection.url));
            let instead = other.map(|Detection { url, why, .. }| match url.as_str() {
                detect::NOOP => format!("what is stored is of no known format: {why}"),
                _ => format!("what is stored looks like {url}"),
            });
            Unread { error, instead }
        })
    }

    fn read_stored(&self, stored: Stored) -> Result<Reading, codec::Error> {
        match stored {
            Stored::Bytes(bytes) => self.read_bytes(bytes),
            Stored::Flagged(flags, bytes) => match self.codec {
                None => detect::detect_flagged(&bytes, flags, &self.limits).map(Reading::from),
                Some(_) => self.read_bytes(bytes),
            },
            Stored::Pickle(bytes) => {
                let codec = Codec::parse("pickle://").expect("the layer is in the table");
                Ok(read_by("pickle, in the store's own type", codec.decode(bytes, &self.limits)?))
            }
            Stored::Text(text) => Ok(native(Value::of_str(text), "text")),
            Stored::Integer(number) => Ok(native(of_node(Node::Int(number)), "integer")),
            Stored::Float(number) => Ok(native(of_node(Node::Float(number)), "float")),
            Stored::Members(members) => self.read_members(members),
        }
    }

    fn read_bytes(&self, bytes: Vec<u8>) -> Result<Reading, codec::Error> {
        if let Some(codec) = &self.codec {
            return Ok(read_by(codec.url(), codec.decode(bytes, &self.limits)?));
        }
        let not = match &self.usual {
            None => None,
            Some(usual) => match usual.decode(bytes.clone(), &self.limits) {
                Ok(decoded) => return Ok(read_by(usual.url(), decoded)),
                Err(error @ codec::Error { fault: codec::Fault::Limit(_), .. }) => return Err(error),
                Err(_) => Some(usual.url().to_owned()),
            },
        };
        let mut reading = Reading::from(detect::detect(&bytes, &self.limits)?);
        if let Some(usual) = &not {
            reading.chain.why = format!("it is not {usual}, the layout's serializer; {}", reading.chain.why);
        }
        reading.chain.not = not;
        Ok(reading)
    }

    /// A hash becomes a dict, a list a list, a set a set, a sorted set a list of pairs, a stream a
    /// list of ids and dicts. Names are text where they are UTF-8; what a codec wrote is decoded.
    fn read_members(&self, members: Members) -> Result<Reading, codec::Error> {
        let mut all = Gathered { value: Value::over(Vec::new()), reader: self, chain: Chain::default() };
        let root = match members {
            Members::Hash(pairs) => {
                let nodes = all.pairs(pairs)?;
                Node::Dict(all.value.container(&nodes))
            }
            Members::List(items) => {
                let nodes = all.items(items)?;
                Node::List(all.value.container(&nodes))
            }
            Members::Set(items) => {
                let nodes = all.items(items)?;
                Node::Set(all.value.container(&nodes))
            }
            Members::SortedSet(pairs) => {
                let mut nodes = Vec::new();
                for (member, score) in pairs {
                    let pair = [all.item(member)?, Node::Float(score)];
                    nodes.push(Node::Tuple(all.value.container(&pair)));
                }
                Node::List(all.value.container(&nodes))
            }
            Members::Stream(items) => {
                let mut nodes = Vec::new();
                for StreamItem { id, fields } in items {
                    let id = Node::Str(all.value.push_text(id.as_bytes()));
                    let fields = all.pairs(fields)?;
                    let pair = [id, Node::Dict(all.value.container(&fields))];
                    nodes.push(Node::Tuple(all.value.container(&pair)));
                }
                Node::List(all.value.container(&nodes))
            }
        };
        all.value.set_root(root);
        Ok(Reading { value: all.value, chain: all.chain })
    }
}

/// The members of one Redis value while they are decoded, one after the other, into one value.
struct Gathered<'a> {
    value: Value,
    reader: &'a Reader,
    chain: Chain,
}

impl Gathered<'_> {
    fn item(&mut self, bytes: Vec<u8>) -> Result<Node, codec::Error> {
        let Reading { value, chain } = self.reader.read_bytes(bytes)?;
        if self.chain.url.is_empty() {
            self.chain.url.clone_from(&chain.url);
        } else if !self.chain.url.split(", ").any(|url| url == chain.url) {
            self.chain.url = format!("{}, {}", self.chain.url, chain.url);
        }
        self.chain.passed.extend(chain.passed);
        let limits = &self.reader.limits;
        let bytes = u64::from(self.value.whole().len) + u64::from(value.whole().len);
        let nodes = (self.value.size() + value.size()) as u64;
        let within = limits.check("decoded", bytes).and_then(|()| limits.check("nodes", nodes));
        within.map_err(|exceeded| codec::Error::limit("members", None, exceeded))?;
        Ok(self.value.graft(value))
    }

    fn items(&mut self, items: Vec<Vec<u8>>) -> Result<Vec<Node>, codec::Error> {
        items.into_iter().map(|item| self.item(item)).collect()
    }

    fn pairs(&mut self, pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<Node>, codec::Error> {
        let mut nodes = Vec::new();
        for (name, item) in pairs {
            let text = std::str::from_utf8(&name).is_ok();
            let span = self.value.push_text(&name);
            nodes.push(if text { Node::Str(span) } else { Node::Bytes(span) });
            let item = self.item(item).map_err(|error| in_field(&name, error))?;
            nodes.push(item);
        }
        Ok(nodes)
    }
}

fn in_field(name: &[u8], mut error: codec::Error) -> codec::Error {
    if let codec::Fault::Malformed(message) = &mut error.fault {
        *message = format!("field `{}`: {message}", String::from_utf8_lossy(name));
    }
    error
}

fn read_by(url: &str, decoded: Decoded) -> Reading {
    let chain = Chain { url: url.to_owned(), stages: decoded.stages, passed: decoded.passed, ..Chain::default() };
    Reading { value: decoded.value, chain }
}

fn native(value: Value, kind: &str) -> Reading {
    Reading { value, chain: Chain { url: format!("{kind}, in the store's own type"), ..Chain::default() } }
}

fn of_node(node: Node) -> Value {
    let mut value = Value::over(Vec::new());
    value.set_root(node);
    value
}

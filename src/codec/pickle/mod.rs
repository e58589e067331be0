//! Pickle, protocols 0 to 5: read as data by a machine that runs nothing, written as CPython writes it.
//!
//! No crate will do (serde-pickle loses sharing, others overflow the stack or lose state), and
//! `pickle.loads` runs what it reads. [`decode`] never imports, looks up or calls: a class is a
//! name, an instance is what would have been called with what. [`encode`] gives byte for byte what
//! the C pickler of CPython 3.11 gives for the same object graph.
//!
//! This room knows the format; which classes are dangerous or how they print is not its matter.

pub(super) mod decode;
mod encode;
mod integer;
mod lines;
mod names;
mod opcode;
mod records;

use super::{Error, Parameter, Parameters, Row, Serializer, Work};
use crate::limits::Limits;
use crate::value::Value;

/// The row of `pickle`.
pub const ROW: Row = Row {
    names: &["pickle"],
    about: "Python's pickle, shown as data and never run",
    parameters: &[Parameter {
        name: "pickle-protocol",
        range: 0..=5,
        default: 5,
        about: "protocol to write; every protocol is read",
    }],
    work: Work::Serializer(&Pickle),
};

/// The newest protocol there is.
const HIGHEST_PROTOCOL: u8 = 5;

struct Pickle;

impl Serializer for Pickle {
    fn encode(&self, value: &Value, parameters: &Parameters, limits: &Limits) -> Result<Vec<u8>, Error> {
        let protocol = u8::try_from(parameters.of("pickle-protocol")).expect("the row's range is 0 to 5");
        encode::encode(value, protocol, limits)
    }

    fn decode(&self, bytes: Vec<u8>, limits: &Limits, notes: &mut Vec<String>) -> Result<Value, Error> {
        decode::decode(bytes, limits, notes).map(|pickled| pickled.value)
    }
}

//! `noop` and `string`: bytes that are what they are.
//!
//! `noop` (cachetory's; `null` is its other name) changes nothing, so what it is given is stored as
//! redis-py's encoder would: [`store`]. It always reads back as bytes. `string` is UTF-8 text.

use super::{Error, Parameters, Row, Serializer, Work};
use crate::limits::Limits;
use crate::value::json::kind;
use crate::value::{Node, Value, scalar};

/// The row of `noop`.
pub const NOOP: Row =
    Row { names: &["noop", "null"], about: "bytes as they are", parameters: &[], work: Work::Nothing };

/// The row of `string`.
pub const STRING: Row = Row { names: &["string"], about: "UTF-8 text", parameters: &[], work: Work::Serializer(&Text) };

struct Text;

impl Serializer for Text {
    fn encode(&self, value: &Value, _: &Parameters, _: &Limits) -> Result<Vec<u8>, Error> {
        match value.root() {
            Node::Str(span) => utf8("string", value.text(span)),
            other => Err(Error::unfit("string", format!("it holds text, and was given {}", kind(other)))),
        }
    }

    fn decode(&self, bytes: Vec<u8>, limits: &Limits, _: &mut Vec<String>) -> Result<Value, Error> {
        limits.check("decoded", bytes.len() as u64).map_err(|exceeded| Error::limit("string", None, exceeded))?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Value::of_str(text)),
            Err(error) => {
                let offset = error.utf8_error().valid_up_to() as u64;
                Err(Error::malformed("string", offset, "the bytes are not UTF-8 text"))
            }
        }
    }
}

/// The bytes of a value that no serializer was given, as redis-py 6.4 sends them (`Encoder.encode`):
/// text as UTF-8, an integer in decimal, a float as its `repr`.
///
/// # Errors
/// For any other value: redis-py refuses it too.
pub fn store(value: &Value) -> Result<Vec<u8>, Error> {
    match value.root() {
        Node::Bytes(span) | Node::ByteArray(span) => Ok(value.text(span).to_vec()),
        Node::Str(span) => utf8("noop", value.text(span)),
        Node::Int(number) => Ok(number.to_string().into_bytes()),
        Node::Big(span) => match scalar::decimal(&value.big(span)) {
            Some(digits) => Ok(digits.into_bytes()),
            None => {
                let message = format!("it cannot hold an integer of more than {} digits", scalar::DIGITS_MAX);
                Err(Error::unfit("noop", message))
            }
        },
        Node::Float(float) => {
            let mut out = Vec::new();
            scalar::write_float(float, &mut out);
            Ok(out)
        }
        other => {
            let message = format!("it takes bytes, text or a number, and was given {}", kind(other));
            Err(Error::unfit("noop", message))
        }
    }
}

/// Text for other programs: without surrogates.
fn utf8(layer: &'static str, text: &[u8]) -> Result<Vec<u8>, Error> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(text.to_vec()),
        Err(error) => {
            let place = error.valid_up_to();
            Err(Error::unfit(layer, format!("a lone surrogate stands after {place} bytes of the text: UTF-8 has none")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use num_bigint::BigInt;

    fn encode(url: &str, value: &Value) -> Result<Vec<u8>, String> {
        Codec::parse(url).unwrap().encode(value, &Limits::DEFAULT).map_err(|error| error.to_string())
    }

    #[test]
    fn noop_stores_what_redis_py_would() {
        for (node, stored) in [
            (Node::Int(5), "5"),
            (Node::Int(-1), "-1"),
            (Node::Float(-0.0), "-0.0"),
            (Node::Float(1e22), "1e+22"),
            (Node::Float(f64::NAN), "nan"),
            (Node::Float(f64::INFINITY), "inf"),
            (Node::Float(f64::NEG_INFINITY), "-inf"),
        ] {
            let mut value = Value::over(Vec::new());
            value.set_root(node);
            assert_eq!(encode("noop://", &value).unwrap(), stored.as_bytes());
        }
        let mut big = Value::over(Vec::new());
        let node = big.integer(&(BigInt::from(1) << 70));
        big.set_root(node);
        assert_eq!(encode("null:", &big).unwrap(), b"1180591620717411303424");
        assert_eq!(encode("noop:", &Value::of_bytes(*b"\xff\x00")).unwrap(), b"\xff\x00");
        assert_eq!(encode("noop+noop:", &Value::of_str("é")).unwrap(), "é".as_bytes());
        assert_eq!(encode("noop:", &Value::of_bytes(*b"")).unwrap(), b"");
        for node in [Node::None, Node::Bool(true), Node::List(big.container(&[]))] {
            big.set_root(node);
            assert!(encode("noop:", &big).unwrap_err().contains(kind(node)));
        }
        assert!(encode("noop:", &Value::of_str(*b"a\xed\xa0\x80")).unwrap_err().contains("after 1 bytes"));
    }

    #[test]
    fn a_value_passes_through_noop_to_the_serializer_behind() {
        let mut value = Value::over(Vec::new());
        value.set_root(Node::Int(5));
        assert_eq!(encode("noop+msgpack:", &value).unwrap(), [5]);
        assert!(encode("zlib:", &value).unwrap_err().contains("put a serializer in front"));
    }

    #[test]
    fn string_is_text_only() {
        let string = Codec::parse("string:").unwrap();
        for text in ["", "é😀\n", "42"] {
            assert_eq!(encode("string:", &Value::of_str(text)).unwrap(), text.as_bytes());
            let decoded = string.decode(text.as_bytes().to_vec(), &Limits::DEFAULT).unwrap();
            assert!(decoded.value.same(&Value::of_str(text)));
        }
        let error = string.decode(b"ab\xffc".to_vec(), &Limits::DEFAULT).unwrap_err();
        assert_eq!(error.to_string(), "string: the bytes are not UTF-8 text at byte 2");
        assert!(encode("string:", &Value::of_bytes(*b"a")).unwrap_err().contains("was given bytes"));
        assert!(encode("string:", &Value::of_str(*b"\xed\xa0\x80")).unwrap_err().contains("lone surrogate"));
    }
}

//! Numpy's scalars, dtypes and arrays, from the bytes that they are pickled as.
//!
//! Small arrays read as numpy 2's `repr` on one line, large ones as shape and dtype. Shapes and
//! lengths are believed only where they agree with the bytes that are there. The pickles are those of
//! numpy 1 and 2 (`numpy/_core/src/multiarray/methods.c`, `descriptor.c`); the notation is that of
//! `numpy/_core/arrayprint.py`. Dates are written in `time.rs`; structured dtypes in `record.rs`; floats of
//! more than 64 bits are not known.

use super::form::{Form, Given};
use super::{Known, Made, Plain, of_plain, time};
use crate::value::{Node, Step, Value, scalar};

/// An array of more items is shown by its shape.
const ITEMS_MAX: usize = 64;

/// Items that are decoded of one array: an item takes 40 times the memory of a byte that it may be
/// made of. One with more is shown by its shape everywhere.
const DECODED_MAX: usize = 1 << 20;

/// Numpy's own limit.
const DIMENSIONS_MAX: usize = 64;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Bool,
    Int,
    Unsigned,
    Float,
    Complex,
    Text,
    Bytes,
    Object,
    /// So many seconds, days … since 1970: the unit.
    Date(&'static str),
    /// The same without a beginning.
    Delta(&'static str),
}

/// How items are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dtype {
    kind: Kind,
    size: usize,
    big_endian: bool,
}

/// Items in a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<'v> {
    dtype: Dtype,
    /// The dtype that it has when it is loaded.
    named: Dtype,
    /// Lengths that come to as many items as the data has.
    shape: Vec<usize>,
    fortran: bool,
    data: &'v [u8],
    /// Bytes that say which items are hidden.
    mask: Option<&'v [u8]>,
    /// Of the standard library's `array`.
    typecode: Option<u8>,
}

/// An item of an array.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A float of 64 bits.
    Float(f64),
    /// The bits of a float of 16.
    Float16(u16),
    /// A float of 32 bits.
    Float32(f32),
    /// A complex number, of parts of 64 bits.
    Complex(f64, f64),
    /// The same, of 32 bits.
    Complex32(f32, f32),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A date or duration, in numpy's words.
    Time(String),
    /// Hidden by a mask.
    Masked,
}

/// What `module.name` stands for, if it is numpy's.
pub(super) fn of<'v>(value: &'v Value, module: &[u8], name: &[u8], made: &Made<'v>) -> Option<Known<'v>> {
    match (module, name) {
        (b"numpy", b"dtype") => {
            let dtype = Dtype::of(value, made)?;
            let repr = format!(
                "dtype('{}')",
                if dtype.is_flexible() || dtype.is_time() { dtype.code() } else { dtype.name() }
            );
            Some(Known::Word { repr: repr.into_bytes(), plain: Plain::Text(dtype.name().into_bytes()) })
        }
        (b"numpy._core.multiarray" | b"numpy.core.multiarray", b"scalar") if made.steps.is_empty() => {
            scalar_of(value, made.args)
        }
        (b"numpy._core.multiarray" | b"numpy.core.multiarray", b"_reconstruct") => reconstructed(value, made),
        (b"numpy._core.numeric" | b"numpy.core.numeric", b"_frombuffer") if made.steps.is_empty() => {
            let &[Node::Bytes(data) | Node::ByteArray(data), dtype, Node::Tuple(shape), Node::Str(order)] = made.args
            else {
                return None;
            };
            let fortran = match value.text(order) {
                b"C" => false,
                b"F" => true,
                _ => return None,
            };
            Array::new(dtype_of(value, dtype)?, shape_of(value, shape)?, fortran, value.text(data)).map(Known::Array)
        }
        (b"numpy.ma.core" | b"numpy.ma", b"_mareconstruct") => masked(value, made),
        _ => None,
    }
}

fn scalar_of(value: &Value, args: &[Node]) -> Option<Known<'static>> {
    let &[dtype, Node::Bytes(data)] = args else { return None };
    let dtype = dtype_of(value, dtype)?;
    let data = value.text(data);
    (data.len() == dtype.size).then_some(())?;
    let item = dtype.item(data)?;
    let mut repr = b"np.".to_vec();
    let mut text = Vec::new();
    item.write(&mut text);
    match (&item, dtype.kind) {
        (Item::Bool(_), _) => repr.extend_from_slice(&[&text[..], b"_"].concat()),
        (_, Kind::Delta(unit)) => {
            let number = i64::try_from(dtype.integer(data)?).ok()?;
            let number = if number == i64::MIN { "'NaT'".to_owned() } else { number.to_string() };
            repr.extend_from_slice(format!("timedelta64({number},'{unit}')").as_bytes());
        }
        _ => {
            let name = match dtype.kind {
                Kind::Text => "str_".to_owned(),
                Kind::Bytes => "bytes_".to_owned(),
                Kind::Date(_) => "datetime64".to_owned(),
                _ => dtype.name(),
            };
            repr.extend_from_slice(name.as_bytes());
            repr.push(b'(');
            repr.extend_from_slice(&text);
            // Hours alone do not read back as such from their text.
            let unit: &[u8] = if dtype.kind == Kind::Date("h") { b",'h'" } else { b"" };
            repr.extend_from_slice(unit);
            repr.push(b')');
        }
    }
    Some(Known::Word { repr, plain: Plain::Item(item) })
}

/// `_reconstruct(ndarray, (0,), b"b")`, then a state: version, shape, dtype, order, data.
fn reconstructed<'v>(value: &'v Value, made: &Made<'v>) -> Option<Known<'v>> {
    let (&[class, Node::Tuple(_), Node::Bytes(_)], &[Step::State(Node::Tuple(state))]) = (made.args, made.steps) else {
        return None;
    };
    value.is_global(class, "numpy", "ndarray").then_some(())?;
    let &[Node::Int(1), Node::Tuple(shape), dtype, Node::Bool(fortran), data] = value.members(state) else {
        return None;
    };
    let (dtype, shape) = (dtype_of(value, dtype)?, shape_of(value, shape)?);
    match data {
        Node::Bytes(data) => {
            // Numpy swaps the bytes on loading; the dtype is then the machine's.
            Array::new(dtype, shape, fortran, value.text(data)).map(|array| Known::Array(array.native()))
        }
        Node::List(items) if dtype.kind == Kind::Object && shape == [value.members(items).len()] => {
            let form = Form::call("array", &value.members(state)[4..], &[]);
            Some(Known::Form(Form { end: ", dtype=object", ..form }))
        }
        // The items are in the order of the rows, however the array keeps them.
        Node::List(items) if dtype.kind == Kind::Object && shape.len() > 1 && !value.members(items).is_empty() => {
            let count = shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length))?;
            (count == value.members(items).len()).then_some(())?;
            let form = Form::call("array", &[][..], &[]);
            Some(Known::Form(Form { given: Given::Rows(value.members(items), shape), end: ", dtype=object", ..form }))
        }
        _ => None,
    }
}

/// The same with a mask and what to fill hidden items with.
fn masked<'v>(value: &'v Value, made: &Made<'v>) -> Option<Known<'v>> {
    let [Step::State(Node::Tuple(state))] = *made.steps else { return None };
    let &[Node::Int(1), Node::Tuple(shape), dtype, Node::Bool(fortran), Node::Bytes(data), Node::Bytes(mask), _] =
        value.members(state)
    else {
        return None;
    };
    let array = Array::new(dtype_of(value, dtype)?, shape_of(value, shape)?, fortran, value.text(data))?;
    let mask = value.text(mask);
    (mask.len() == array.len()).then_some(())?;
    Some(Known::Array(Array { mask: Some(mask), ..array.native() }))
}

pub(super) fn shape_of(value: &Value, shape: crate::value::Id) -> Option<Vec<usize>> {
    let dimensions = value.members(shape);
    let length = |node: &Node| if let Node::Int(length) = node { usize::try_from(*length).ok() } else { None };
    (dimensions.len() <= DIMENSIONS_MAX).then(|| dimensions.iter().map(length).collect())?
}

/// The shape of an array and the name of its dtype, of objects too.
pub(super) fn shape_and_dtype(
    value: &Value,
    module: &[u8],
    name: &[u8],
    made: &Made<'_>,
) -> Option<(Vec<usize>, String)> {
    if let (b"_reconstruct", &[Step::State(Node::Tuple(state))]) = (name, made.steps)
        && let &[_, Node::Tuple(shape), dtype, _, Node::List(items)] = value.members(state)
    {
        let (dtype, shape) = (dtype_of(value, dtype)?, shape_of(value, shape)?);
        let count = shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length))?;
        return (dtype.kind == Kind::Object && count == value.members(items).len()).then(|| (shape, dtype.name()));
    }
    match of(value, module, name, made)? {
        Known::Array(Array { named, shape, .. }) => Some((shape, named.name())),
        _ => None,
    }
}

/// The dtype of a part of a structured one, in its words there, and its size.
pub(super) fn dtype_code(value: &Value, node: Node) -> Option<(String, usize)> {
    let dtype = dtype_of(value, node)?;
    let code = match dtype.kind {
        Kind::Bool => "?".to_owned(),
        Kind::Int | Kind::Unsigned if dtype.size == 1 => dtype.code()[1..].to_owned(),
        _ => dtype.code(),
    };
    (dtype.kind != Kind::Object).then_some((code, dtype.size))
}

pub(super) fn dtype_name(value: &Value, node: Node) -> Option<String> {
    Some(dtype_of(value, node)?.name())
}

fn dtype_of(value: &Value, node: Node) -> Option<Dtype> {
    let made = of_plain(value, node)?;
    value.is_global(made.class, "numpy", "dtype").then(|| Dtype::of(value, &made))?
}

const UNITS: [&str; 10] = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"];

impl Dtype {
    /// `dtype("i8", False, True)`, then a state: version, byte order, parts, names, fields, size …
    fn of(value: &Value, made: &Made<'_>) -> Option<Dtype> {
        let (&[Node::Str(code), ..], &[Step::State(Node::Tuple(state))]) = (made.args, made.steps) else { return None };
        let state = value.members(state);
        let &[Node::Int(_), Node::Str(order), Node::None, Node::None, Node::None, Node::Int(size), ..] = state else {
            return None;
        };
        let big_endian = match value.text(order) {
            b"<" | b"|" | b"=" => false,
            b">" => true,
            _ => return None,
        };
        let code = std::str::from_utf8(value.text(code)).ok()?;
        let kind = match code.as_bytes().first()? {
            b'U' => Kind::Text,
            b'S' => Kind::Bytes,
            b'O' => return Some(Dtype { kind: Kind::Object, size: 8, big_endian: false }),
            letter @ (b'M' | b'm') => {
                let &Node::Tuple(meta) = state.get(8)? else { return None };
                let &[Node::None | Node::Dict(_), Node::Tuple(unit)] = value.members(meta) else { return None };
                let &[Node::Bytes(unit) | Node::Str(unit), Node::Int(1), ..] = value.members(unit) else { return None };
                let unit = UNITS.into_iter().find(|name| name.as_bytes() == value.text(unit))?;
                let kind = if *letter == b'M' { Kind::Date(unit) } else { Kind::Delta(unit) };
                return Some(Dtype { kind, size: 8, big_endian });
            }
            _ => return Dtype::number(code, big_endian),
        };
        let size = usize::try_from(size).ok().filter(|size| kind != Kind::Text || size % 4 == 0)?;
        Some(Dtype { kind, size, big_endian })
    }

    /// A number, or a truth, by its letter and size.
    pub(super) fn number(code: &str, big_endian: bool) -> Option<Dtype> {
        let (kind, size) = match code {
            "b1" => (Kind::Bool, 1),
            "i1" | "i2" | "i4" | "i8" => (Kind::Int, usize::from(code.as_bytes()[1] - b'0')),
            "u1" | "u2" | "u4" | "u8" => (Kind::Unsigned, usize::from(code.as_bytes()[1] - b'0')),
            "c8" => (Kind::Complex, 8),
            "c16" => (Kind::Complex, 16),
            "f2" | "f4" | "f8" => (Kind::Float, usize::from(code.as_bytes()[1] - b'0')),
            _ => return None,
        };
        Some(Dtype { kind, size, big_endian: big_endian && size > 1 })
    }

    fn is_time(self) -> bool {
        matches!(self.kind, Kind::Date(_) | Kind::Delta(_))
    }

    fn is_flexible(self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Bytes) || self.big_endian || matches!(self.kind, Kind::Object)
    }

    /// `float64`.
    fn name(self) -> String {
        let bits = self.size * 8;
        match self.kind {
            Kind::Bool => "bool".to_owned(),
            Kind::Int => format!("int{bits}"),
            Kind::Unsigned => format!("uint{bits}"),
            Kind::Float => format!("float{bits}"),
            Kind::Complex => format!("complex{bits}"),
            Kind::Text => format!("str{bits}"),
            Kind::Bytes => format!("bytes{bits}"),
            Kind::Object => "object".to_owned(),
            Kind::Date(unit) => format!("datetime64[{unit}]"),
            Kind::Delta(unit) => format!("timedelta64[{unit}]"),
        }
    }

    /// `<f8`.
    fn code(self) -> String {
        let order = if self.big_endian { '>' } else { '<' };
        match self.kind {
            Kind::Text => format!("{order}U{}", self.size / 4),
            Kind::Bytes => format!("S{}", self.size),
            Kind::Object => "O".to_owned(),
            Kind::Date(unit) => format!("{order}M8[{unit}]"),
            Kind::Delta(unit) => format!("{order}m8[{unit}]"),
            Kind::Bool => "bool".to_owned(),
            Kind::Int => format!("{order}i{}", self.size),
            Kind::Unsigned => format!("{order}u{}", self.size),
            Kind::Float => format!("{order}f{}", self.size),
            Kind::Complex => format!("{order}c{}", self.size),
        }
    }

    fn bytes<const N: usize>(self, data: &[u8]) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = data.try_into().ok()?;
        if self.big_endian {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn integer(self, data: &[u8]) -> Option<i128> {
        let mut bytes = [0; 16];
        bytes[..data.len()].copy_from_slice(data);
        if self.big_endian {
            bytes[..data.len()].reverse();
        }
        let unused = 128 - 8 * data.len();
        let number = i128::from_le_bytes(bytes) << unused;
        #[expect(clippy::cast_sign_loss, clippy::cast_possible_wrap, reason = "the bits are moved, not the number")]
        Some(if self.kind == Kind::Unsigned { (number as u128 >> unused) as i128 } else { number >> unused })
    }

    /// The item that `data`, of this dtype's size, is; `None` for what numpy would not read either.
    fn item(self, data: &[u8]) -> Option<Item> {
        let number = |data| self.integer(data).and_then(|number| i64::try_from(number).ok());
        Some(match self.kind {
            Kind::Bool => Item::Bool(data != [0]),
            Kind::Int | Kind::Unsigned => Item::Int(self.integer(data)?),
            Kind::Float if self.size == 2 => Item::Float16(u16::from_le_bytes(self.bytes(data)?)),
            Kind::Float if self.size == 4 => Item::Float32(f32::from_le_bytes(self.bytes(data)?)),
            Kind::Complex => {
                let (real, imaginary) = data.split_at(self.size / 2);
                let part = Dtype { kind: Kind::Float, size: self.size / 2, ..self };
                match (part.item(real)?, part.item(imaginary)?) {
                    (Item::Float(real), Item::Float(imaginary)) => Item::Complex(real, imaginary),
                    (Item::Float32(real), Item::Float32(imaginary)) => Item::Complex32(real, imaginary),
                    _ => return None,
                }
            }
            Kind::Float => Item::Float(f64::from_le_bytes(self.bytes(data)?)),
            Kind::Text => {
                let mut text = String::new();
                for code in data.chunks_exact(4) {
                    text.push(char::from_u32(u32::from_le_bytes(self.bytes(code)?))?);
                }
                Item::Text(text.trim_end_matches('\0').to_owned())
            }
            Kind::Bytes => {
                let len = data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                Item::Bytes(data[..len].to_vec())
            }
            Kind::Date(unit) => Item::Time(time::datetime64(number(data)?, unit)?),
            Kind::Delta(_) => match number(data)? {
                i64::MIN => Item::Time("NaT".to_owned()),
                number => Item::Int(number.into()),
            },
            Kind::Object => return None,
        })
    }
}

impl Item {
    /// A place in a sequence.
    pub(super) fn index(&self) -> Option<usize> {
        if let Item::Int(number) = self { usize::try_from(*number).ok() } else { None }
    }

    /// As it prints.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Item::Bool(true) => out.extend_from_slice(b"True"),
            Item::Bool(false) => out.extend_from_slice(b"False"),
            Item::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Item::Float(float) => scalar::write_float(*float, out),
            Item::Float16(bits) if half(*bits).is_finite() => {
                scalar::write_float(half_digits(*bits).parse().unwrap_or(half(*bits)), out);
            }
            Item::Float16(bits) => scalar::write_float(half(*bits), out),
            Item::Float32(float) => scalar::write_float32(*float, out),
            Item::Complex(..) | Item::Complex32(..) => {
                let word = |part: &Item| {
                    let mut word = Vec::new();
                    part.write(&mut word);
                    word.strip_suffix(b".0").map(<[u8]>::to_vec).unwrap_or(word)
                };
                let [real, imaginary] = [self.part(0), self.part(1)];
                let imaginary = word(&imaginary);
                // As in Python: a real part that is zero is not written, but -0 is.
                if !matches!(real, Item::Float(zero) if zero.to_bits() == 0)
                    && !matches!(real, Item::Float32(zero) if zero.to_bits() == 0)
                {
                    out.extend_from_slice(&word(&real));
                    out.extend_from_slice(if imaginary.starts_with(b"-") { b"" } else { b"+" });
                }
                out.extend_from_slice(&imaginary);
                out.push(b'j');
            }
            Item::Text(text) => scalar::write_str(text.as_bytes(), out),
            Item::Bytes(bytes) => scalar::write_bytes(bytes, out),
            Item::Time(text) => out.extend_from_slice(format!("'{text}'").as_bytes()),
            Item::Masked => out.extend_from_slice(b"--"),
        }
    }
}

impl Item {
    /// The real or the imaginary part of a complex number; of any other, itself.
    fn part(&self, which: usize) -> Item {
        match *self {
            Item::Complex(real, imaginary) => Item::Float([real, imaginary][which]),
            Item::Complex32(real, imaginary) => Item::Float32([real, imaginary][which]),
            _ => self.clone(),
        }
    }
}

/// The number that a float of 16 bits is.
#[must_use]
pub fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// The fewest digits that are this finite float of 16 bits and no other, with an exponent.
fn half_digits(bits: u16) -> String {
    let (number, size) = (half(bits), bits & 0x7fff);
    // The greatest reaches as far as if there were one more.
    let above = if size == 0x7bff { 65536.0 } else { half(size + 1) };
    let (low, high) = ((number.abs() + half(size.saturating_sub(1))) / 2.0, (number.abs() + above) / 2.0);
    let is_this = |digits: &String| {
        let digits = digits.parse().unwrap_or(number).abs();
        (low < digits && digits < high) || (size % 2 == 0 && (digits == low || digits == high))
    };
    (0..5).map(|places| format!("{number:.places$e}")).find(is_this).unwrap_or_else(|| format!("{number:e}"))
}

impl<'v> Array<'v> {
    /// Only where the data is as long as shape and dtype say.
    fn new(dtype: Dtype, shape: Vec<usize>, fortran: bool, data: &'v [u8]) -> Option<Array<'v>> {
        let count = shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length))?;
        let is_whole =
            dtype.kind != Kind::Object && dtype.size > 0 && count.checked_mul(dtype.size) == Some(data.len());
        is_whole.then_some(Array { dtype, named: dtype, shape, fortran, data, mask: None, typecode: None })
    }

    pub(super) fn of_typecode(code: u8, dtype: Dtype, data: &'v [u8]) -> Option<Array<'v>> {
        let array = Array::new(dtype, vec![data.len() / dtype.size], false, data)?;
        Some(Array { typecode: Some(code), ..array })
    }

    /// With a dtype in the machine's byte order.
    fn native(self) -> Array<'v> {
        Array { named: Dtype { big_endian: false, ..self.dtype }, ..self }
    }

    /// How many items there are.
    fn len(&self) -> usize {
        self.data.len() / self.dtype.size
    }

    /// The lengths of the dimensions.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All items, the last dimension fastest; `None` where there are too many, or one is of no type
    /// that is known here.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Item>> {
        if self.len() > DECODED_MAX {
            return None;
        }
        let mut at = vec![0; self.shape.len()];
        let mut items = Vec::new();
        for index in 0..self.len() {
            let place = if self.fortran {
                at.iter().zip(&self.shape).rev().fold(0, |place, (at, length)| place * length + at)
            } else {
                index
            };
            items.push(match self.mask {
                Some(mask) if mask[place] != 0 => Item::Masked,
                _ => self.dtype.item(&self.data[place * self.dtype.size..(place + 1) * self.dtype.size])?,
            });
            for (at, length) in at.iter_mut().zip(self.shape.iter().copied()).rev() {
                *at += 1;
                if *at < length {
                    break;
                }
                *at = 0;
            }
        }
        Some(items)
    }

    /// Each item as it prints, where they are spelled out.
    pub(super) fn words(&self) -> Option<Vec<String>> {
        let items = self.is_spelled_out().then(|| self.items())??;
        Some(words(&items, true).iter().map(|word| word.trim().to_owned()).collect())
    }

    /// Whether it is written with all its items.
    fn is_spelled_out(&self) -> bool {
        let most = if self.typecode.is_some() { DECODED_MAX } else { ITEMS_MAX };
        self.mask.is_none() && self.len() <= most
    }

    /// About how many bytes [`Array::write`] writes: an item is as long as its data, with a comma.
    #[must_use]
    pub fn shown(&self) -> u64 {
        if self.is_spelled_out() { (self.data.len() + 2 * self.len()) as u64 } else { 0 }
    }

    /// As numpy's `repr`, on one line, or as shape and dtype where it has many items.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.is_spelled_out().then(|| self.items()).flatten() {
            Some(items) if self.typecode.is_some() => self.write_typecode(&items, out),
            Some(items) => self.write_items(&items, out),
            None => {
                let class = match (self.mask, self.typecode) {
                    (Some(_), _) => "numpy.ma.MaskedArray",
                    (None, Some(_)) => "array.array",
                    (None, None) => "numpy.ndarray",
                };
                let dtype = if self.named.is_flexible() { self.named.code() } else { self.named.name() };
                let shape = shape_text(&self.shape);
                out.extend_from_slice(format!("{class}(shape={shape}, dtype={dtype})").as_bytes());
            }
        }
    }

    fn write_typecode(&self, items: &[Item], out: &mut Vec<u8>) {
        let code = char::from(self.typecode.unwrap_or(b'?'));
        out.extend_from_slice(format!("array('{code}'").as_bytes());
        for (at, item) in items.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b", [" } else { b", " });
            match item {
                Item::Float32(float) => scalar::write_float(f64::from(*float), out),
                other => other.write(out),
            }
        }
        out.extend_from_slice(if items.is_empty() { b")" } else { b"])" });
    }

    fn write_items(&self, items: &[Item], out: &mut Vec<u8>) {
        out.extend_from_slice(b"array(");
        let words = words(items, self.shape.is_empty());
        if self.len() == 0 {
            out.extend_from_slice(b"[]");
        }
        for (at, word) in words.iter().enumerate() {
            let boundary = |at: usize| boundaries(&self.shape, at);
            if at > 0 {
                out.extend_from_slice(b", ");
            }
            out.resize(out.len() + boundary(at), b'[');
            out.extend_from_slice(word.as_bytes());
            out.resize(out.len() + boundary(at + 1), b']');
        }
        if self.len() == 0 && self.shape != [0] {
            out.extend_from_slice(format!(", shape={}", shape_text(&self.shape)).as_bytes());
        }
        let dtype = self.named;
        let is_usual = match dtype.kind {
            Kind::Bool => true,
            Kind::Int | Kind::Float => dtype.size == 8 && !dtype.big_endian,
            Kind::Complex => dtype.size == 16 && !dtype.big_endian,
            _ => false,
        };
        if !is_usual || self.len() == 0 {
            let quote = dtype.is_flexible() || dtype.is_time();
            let text = match dtype.kind {
                // The one place where numpy writes the order of what has none.
                Kind::Bytes => format!("|{}", dtype.code()),
                _ if dtype.is_flexible() => dtype.code(),
                _ => dtype.name(),
            };
            let mark = if quote { "'" } else { "" };
            out.extend_from_slice(format!(", dtype={mark}{text}{mark}").as_bytes());
        }
        out.push(b')');
    }
}

/// How many of the inner dimensions begin or end before the item at `at`, and so how many brackets.
#[must_use]
pub fn boundaries(shape: &[usize], at: usize) -> usize {
    let inner = shape.iter().rev().scan(1, |size, length| {
        *size *= length;
        Some(*size)
    });
    inner.take_while(|size| at.is_multiple_of(*size)).count()
}

pub(super) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The items, as wide as the widest where numpy makes them so.
fn words(items: &[Item], alone: bool) -> Vec<String> {
    let floats: Vec<Float> = items.iter().filter_map(Float::of).collect();
    if !items.is_empty() && floats.len() == items.len() {
        return float_words(&floats, false);
    }
    if matches!(items.first(), Some(Item::Complex(..) | Item::Complex32(..))) {
        let parts = |which| items.iter().filter_map(|item| Float::of(&item.part(which))).collect::<Vec<_>>();
        let (real, imaginary) = (float_words(&parts(0), false), float_words(&parts(1), true));
        let join = |(real, imaginary): (String, String)| {
            // The letter stands before what fills up the digits.
            let digits = imaginary.trim_end();
            format!("{real}{digits}j{}", &imaginary[digits.len()..])
        };
        return real.into_iter().zip(imaginary).map(join).collect();
    }
    let plain = |item: &Item| {
        let mut word = Vec::new();
        match item {
            Item::Bool(true) if !alone => word.extend_from_slice(b" True"),
            other => other.write(&mut word),
        }
        String::from_utf8_lossy(&word).into_owned()
    };
    let words: Vec<String> = items.iter().map(plain).collect();
    if matches!(items.first(), Some(Item::Text(_) | Item::Bytes(_))) {
        return words;
    }
    let width = words.iter().map(|word| word.chars().count()).max().unwrap_or(0);
    words.into_iter().map(|word| format!("{word:>width$}")).collect()
}

/// A float with its shortest digits.
struct Float {
    number: f64,
    scientific: String,
    /// The ratio of the greatest to the least from which on exponents are written: 1000, in whose
    /// own precision numpy divides.
    ratio: f64,
}

impl Float {
    fn of(item: &Item) -> Option<Float> {
        match *item {
            Item::Float16(bits) => {
                let number = half(bits);
                let scientific = if number.is_finite() { half_digits(bits) } else { number.to_string() };
                Some(Float { number, scientific, ratio: 1000.25 })
            }
            Item::Float(number) => Some(Float { number, scientific: scalar::shortest(number), ratio: 1000.0 }),
            Item::Float32(number) => Some(Float {
                number: f64::from(number),
                scientific: format!("{number:e}"),
                ratio: 1000.0 + f64::from(f32::EPSILON) * 256.0,
            }),
            _ => None,
        }
    }

    /// At most 8 digits after the point: `1.`, `0.25`.
    fn positional(&self) -> (String, String) {
        let number = &self.scientific;
        let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
        let digits = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
        let places = i64::try_from(digits).unwrap_or(0) - exponent.parse::<i64>().unwrap_or(0);
        let places = usize::try_from(places).unwrap_or(0).min(8);
        split(&format!("{:.places$}", self.number))
    }

    /// At most 8 digits after the point, and an exponent of two digits or more: `1.5`, `e+10`.
    fn exponential(&self) -> ((String, String), i64) {
        let digits = self.scientific.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
        let text = if digits > 9 { format!("{:.8e}", self.number) } else { self.scientific.clone() };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        (split(mantissa), exponent.parse().unwrap_or(0))
    }
}

fn split(number: &str) -> (String, String) {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    (whole.to_owned(), fraction.trim_end_matches('0').to_owned())
}

/// `FloatingFormat` with numpy's defaults: precision 8, `maxprec`, no suppression; `signed` as the
/// imaginary parts are, which all have a sign.
fn float_words(floats: &[Float], signed: bool) -> Vec<String> {
    let plus = |number: f64, whole: String| {
        if signed && !number.is_sign_negative() { format!("+{whole}") } else { whole }
    };
    let finite: Vec<&Float> = floats.iter().filter(|float| float.number.is_finite()).collect();
    let sizes = finite.iter().map(|float| float.number.abs()).filter(|size| *size != 0.0);
    let (most, least) = sizes.fold((0.0_f64, f64::INFINITY), |(most, least), size| (most.max(size), least.min(size)));
    let exponential = most >= 1e8 || most > 0.0 && (least < 1e-4 || most / least > floats[0].ratio);
    let (mut left, mut right, mut power) = (0, 0, 0);
    for float in &finite {
        let ((whole, fraction), exponent) = if exponential { float.exponential() } else { (float.positional(), 0) };
        (left, right) = (left.max(plus(float.number, whole).len()), right.max(fraction.len()));
        power = power.max(exponent.unsigned_abs().to_string().len().max(2));
    }
    let tail = if exponential { right + power + 2 } else { right };
    for float in floats.iter().filter(|float| !float.number.is_finite()) {
        let len = if !signed && (float.number.is_nan() || float.number > 0.0) { 3 } else { 4 };
        left = left.max((len as usize).saturating_sub(tail + 1));
    }
    let word = |float: &Float| {
        let number = float.number;
        if !number.is_finite() {
            let word = if number.is_nan() { "nan" } else { ["inf", "-inf"][usize::from(number < 0.0)] };
            let word = if signed && !word.starts_with('-') { format!("+{word}") } else { word.to_owned() };
            return format!("{word:>width$}", width = left + tail + 1);
        }
        if !exponential {
            let (whole, fraction) = float.positional();
            return format!("{:>left$}.{fraction:<right$}", plus(number, whole));
        }
        // Digits that are not needed are exact, and not zeros.
        let text = format!("{number:.right$e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let ((whole, fraction), exponent) = (split(mantissa), exponent.parse().unwrap_or(0_i64));
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{:>left$}.{fraction:0<right$}e{sign}{:0power$}", plus(number, whole), exponent.abs())
    };
    floats.iter().map(word).collect()
}

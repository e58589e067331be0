//! Numpy's structured dtypes, and arrays of them as their shape: rows of named parts.
//!
//! Pickle and notation: `numpy/_core/src/multiarray/descriptor.c`, `numpy/_core/_dtype.py`. What has
//! gaps between its parts, is aligned or titled, is not known.

use super::numpy::{dtype_code, shape_of, shape_text};
use super::{Known, Made, Plain, of_plain};
use crate::value::{Node, Step, Value, scalar};

/// Parts of a dtype, and levels, past which it is the call that it is.
const PARTS_MAX: usize = 32;
const DEPTH_MAX: usize = 4;

/// What `module.name` stands for, if it is a structured dtype or an array of one.
pub(super) fn of<'v>(value: &'v Value, module: &[u8], name: &[u8], made: &Made<'v>) -> Option<Known<'v>> {
    let (dtype, shape, data) = match (module, name, made.args, made.steps) {
        (b"numpy", b"dtype", ..) => {
            let text = parts(value, made, DEPTH_MAX)?.0;
            let repr = format!("dtype({text})").into_bytes();
            return Some(Known::Word { repr, plain: Plain::Text(text.into_bytes()) });
        }
        (
            b"numpy._core.numeric" | b"numpy.core.numeric",
            b"_frombuffer",
            &[Node::Bytes(data) | Node::ByteArray(data), dtype, Node::Tuple(shape), Node::Str(_)],
            [],
        ) => (dtype, shape, data),
        (
            b"numpy._core.multiarray" | b"numpy.core.multiarray",
            b"_reconstruct",
            &[class, Node::Tuple(_), Node::Bytes(_)],
            &[Step::State(Node::Tuple(state))],
        ) if value.is_global(class, "numpy", "ndarray") => match value.members(state) {
            &[Node::Int(1), Node::Tuple(shape), dtype, Node::Bool(_), Node::Bytes(data)] => (dtype, shape, data),
            _ => return None,
        },
        _ => return None,
    };
    let ((dtype, size), shape) = (record(value, dtype, DEPTH_MAX)?, shape_of(value, shape)?);
    let bytes = shape.iter().try_fold(size, |bytes, length| bytes.checked_mul(*length))?;
    let summary = format!("numpy.ndarray(shape={}, dtype={dtype})", shape_text(&shape));
    (bytes == data.len as usize).then(|| Known::Summary(summary.into_bytes()))
}

/// A structured dtype in numpy's words, `[('a', '<i4'), …]`, and its size.
fn record(value: &Value, node: Node, depth: usize) -> Option<(String, usize)> {
    let made = of_plain(value, node)?;
    value.is_global(made.class, "numpy", "dtype").then(|| parts(value, &made, depth))?
}

fn parts(value: &Value, made: &Made<'_>, depth: usize) -> Option<(String, usize)> {
    let (&[Node::Str(_), ..], &[Step::State(Node::Tuple(state))]) = (made.args, made.steps) else { return None };
    let &[_, _, Node::None, Node::Tuple(names), Node::Dict(fields), Node::Int(size), Node::Int(1), ..] =
        value.members(state)
    else {
        return None;
    };
    let (names, fields) = (value.members(names), value.members(fields));
    (fields.len() == 2 * names.len() && names.len() <= PARTS_MAX).then_some(())?;
    let (mut words, mut end) = (Vec::new(), 0);
    for name in names {
        let Node::Str(text) = *name else { return None };
        let is_named = |pair: &&[Node]| matches!(pair[0], Node::Str(key) if value.text(key) == value.text(text));
        let &Node::Tuple(field) = &fields.chunks_exact(2).find(is_named)?[1] else { return None };
        let &[dtype, Node::Int(offset)] = value.members(field) else { return None };
        let (code, size) = part(value, dtype, depth.checked_sub(1)?)?;
        (usize::try_from(offset) == Ok(end) && text.len as usize <= 2 * PARTS_MAX).then_some(())?;
        end = end.checked_add(size)?;
        let mut word = Vec::new();
        scalar::write_str(value.text(text), &mut word);
        words.push(format!("({}, {code})", String::from_utf8_lossy(&word)));
    }
    (end > 0 && usize::try_from(size) == Ok(end)).then(|| (format!("[{}]", words.join(", ")), end))
}

/// The dtype of a part, quoted where it is a simple one, with its own shape where it has one.
fn part(value: &Value, node: Node, depth: usize) -> Option<(String, usize)> {
    if let Some((code, size)) = dtype_code(value, node) {
        return Some((format!("'{code}'"), size));
    }
    if let Some(record) = record(value, node, depth) {
        return Some(record);
    }
    let made = of_plain(value, node)?;
    let (true, &[Step::State(Node::Tuple(state))]) = (value.is_global(made.class, "numpy", "dtype"), made.steps) else {
        return None;
    };
    let &Node::Tuple(inner) = value.members(state).get(2)? else { return None };
    let &[base, Node::Tuple(shape)] = value.members(inner) else { return None };
    let ((code, size), shape) = (part(value, base, depth.checked_sub(1)?)?, shape_of(value, shape)?);
    let size = shape.iter().try_fold(size, |size, length| size.checked_mul(*length))?;
    Some((format!("{code}, {}", shape_text(&shape)), size))
}

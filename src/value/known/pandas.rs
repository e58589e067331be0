//! Pandas' tables and indexes, as their class and shape: `pandas.DataFrame(shape=(3, 2), dtypes={…})`.
//!
//! A table's pickle is a tree of managers, blocks and indexes, which nobody reads as such. Only
//! what is recognized from top to bottom is summed up; all else is the call that it is. Pickles: those
//! of pandas 1 to 3 (`pandas/core/internals/managers.py`, `pandas/_libs/internals.pyx`, `arrays.pyx`,
//! `pandas/core/indexes/base.py`).

use super::{Array, Known, Made, Plain, TimeDelta, numpy, of, of_plain};
use crate::value::{Id, Node, Step, Value, scalar};

/// The columns of a wider table are counted, and not listed.
const COLUMNS_MAX: usize = 16;

/// A longer name of a column or index is not shown.
const NAME_MAX: usize = 64;

/// How deep an index may stand in what it is made of: a category's index in a column's dtype.
const DEPTH_MAX: usize = 4;

/// Lengths and dtype of values.
struct Values {
    shape: Vec<usize>,
    dtype: String,
}

/// What `module.name` stands for, if it is one of pandas' tables or indexes.
pub(super) fn of_table<'v>(value: &'v Value, module: &[u8], name: &[u8], made: &Made<'v>) -> Option<Known<'v>> {
    module.starts_with(b"pandas").then_some(())?;
    let summary = match (module, name) {
        (b"pandas" | b"pandas.core.frame", b"DataFrame") => frame(value, made),
        (b"pandas" | b"pandas.core.series", b"Series") => series(value, made),
        (b"pandas._libs.arrays", b"__pyx_unpickle_NDArrayBacked") => {
            let (class, values) = (class(value, *made.args.first()?)?, backed(value, made, DEPTH_MAX)?);
            Some(format!("pandas.{class}(shape={}, dtype={})", numpy::shape_text(&values.shape), values.dtype))
        }
        _ => index(value, module, name, made),
    };
    Some(Known::Summary(summary?.into_bytes()))
}

/// What a table consists of.
struct Managed<'v> {
    /// Indexes: of the columns, where there are any, and of the rows.
    axes: &'v [Node],
    /// Values, and the columns that they are.
    blocks: Vec<(Node, Node)>,
}

fn frame(value: &Value, made: &Made<'_>) -> Option<String> {
    let Managed { axes, blocks } = managed(value, made)?;
    let &[columns, rows] = axes else { return None };
    let (labels, length, width) = (columns, index_of(value, rows)?.shape[0], index_of(value, columns)?.shape[0]);
    let shape = numpy::shape_text(&[length, width]);
    let mut dtypes = vec![String::new(); width.min(COLUMNS_MAX)];
    for (node, place) in blocks {
        let values = values(value, node, DEPTH_MAX)?;
        // Extension arrays have one dimension; a block of numpy's has a column in each row.
        (values.shape.last() == Some(&length)).then_some(())?;
        let places = if width <= COLUMNS_MAX { places(value, place)? } else { Vec::new() };
        for column in places {
            if let Some(dtype) = dtypes.get_mut(column) {
                dtype.clone_from(&values.dtype);
            }
        }
    }
    let labels = self::labels(value, labels, width);
    Some(match labels.filter(|_| dtypes.iter().all(|dtype| !dtype.is_empty())) {
        Some(labels) => {
            let columns: Vec<String> =
                labels.iter().zip(dtypes).map(|(label, dtype)| format!("{label}: {dtype}")).collect();
            format!("pandas.DataFrame(shape={shape}, dtypes={{{}}})", columns.join(", "))
        }
        None => format!("pandas.DataFrame(shape={shape})"),
    })
}

fn series(value: &Value, made: &Made<'_>) -> Option<String> {
    let Managed { axes, blocks } = managed(value, made)?;
    let (&[rows], &[(node, _)]) = (axes, &blocks[..]) else { return None };
    let (rows, values) = (index_of(value, rows)?, values(value, node, DEPTH_MAX)?);
    (values.shape == rows.shape).then_some(())?;
    let &[Step::State(Node::Dict(state))] = made.steps else { return None };
    let name = find(value, state, b"_name").or_else(|| find(value, state, b"name"));
    Some(described("Series", &values, label(value, name.unwrap_or(Node::None))))
}

fn described(class: &str, values: &Values, name: Option<String>) -> String {
    let name = name.map_or(String::new(), |name| format!(", name={name}"));
    format!("pandas.{class}(shape={}, dtype={}{name})", numpy::shape_text(&values.shape), values.dtype)
}

/// No more blocks than columns are listed, since many tables may share a million of them.
fn managed<'v>(value: &'v Value, made: &Made<'v>) -> Option<Managed<'v>> {
    let ([], &[Step::State(Node::Dict(state))]) = (made.args, made.steps) else { return None };
    // What an application attached to a table is shown with all the rest.
    if let Some(attrs) = find(value, state, b"attrs") {
        (matches!(attrs, Node::Dict(attrs) if value.members(attrs).is_empty())).then_some(())?;
    }
    let manager = of_plain(value, find(value, state, b"_mgr").or_else(|| find(value, state, b"_data"))?)?;
    let (b"pandas.core.internals.managers", name) = named(value, manager.class)? else { return None };
    match (name, manager.args, manager.steps) {
        (b"BlockManager", &[Node::Tuple(blocks), Node::List(axes)], []) => {
            let blocks = value.members(blocks).iter().take(COLUMNS_MAX).map(|block| {
                let block = of_plain(value, *block)?;
                let is_block = value.is_global(block.class, "pandas._libs.internals", "_unpickle_block");
                let &[values, place, Node::Int(_)] = block.args else { return None };
                (is_block && block.steps.is_empty()).then_some((values, place))
            });
            Some(Managed { axes: value.members(axes), blocks: blocks.collect::<Option<_>>()? })
        }
        (b"BlockManager" | b"SingleBlockManager", [], &[Step::State(Node::Tuple(state))]) => {
            let &[_, _, _, Node::Dict(versions)] = value.members(state) else { return None };
            let Node::Dict(state) = find(value, versions, b"0.14.1")? else { return None };
            let (Node::List(axes), Node::List(blocks)) = (find(value, state, b"axes")?, find(value, state, b"blocks")?)
            else {
                return None;
            };
            let blocks = value.members(blocks).iter().take(COLUMNS_MAX).map(|block| match *block {
                Node::Dict(block) => Some((find(value, block, b"values")?, find(value, block, b"mgr_locs")?)),
                _ => None,
            });
            Some(Managed { axes: value.members(axes), blocks: blocks.collect::<Option<_>>()? })
        }
        _ => None,
    }
}

/// The columns of a block that may be listed.
fn places(value: &Value, place: Node) -> Option<Vec<usize>> {
    match foreign(value, place)? {
        Known::Slice(&[Node::Int(start), Node::Int(stop), Node::Int(step)]) if step != 0 => {
            let end = usize::try_from(stop.max(start)).ok()?.min(COLUMNS_MAX);
            let (start, step) = (usize::try_from(start).ok()?, usize::try_from(step).ok()?);
            Some((start..end).step_by(step).collect())
        }
        Known::Array(array) => {
            (array.shape().len() == 1 && array.shape()[0] <= COLUMNS_MAX).then_some(())?;
            array.items()?.iter().map(numpy::Item::index).collect()
        }
        _ => None,
    }
}

fn is_index(module: &[u8], name: &[u8]) -> bool {
    matches!(
        (module, name),
        (b"pandas.core.indexes.base", b"_new_Index")
            | (b"pandas.core.indexes.datetimes", b"_new_DatetimeIndex")
            | (b"pandas.core.indexes.timedeltas", b"_new_TimedeltaIndex")
            | (b"pandas.core.indexes.period", b"_new_PeriodIndex")
    )
}

fn index(value: &Value, module: &[u8], name: &[u8], made: &Made<'_>) -> Option<String> {
    let &[class_node, Node::Dict(state)] = made.args else { return None };
    (is_index(module, name) && made.steps.is_empty()).then_some(())?;
    let class = class(value, class_node)?;
    let name = find(value, state, b"name").and_then(|name| label(value, name));
    if class == "RangeIndex" {
        let bound = |name| find(value, state, name).and_then(|node| scalar::integer(value, node));
        let (start, stop, step) = (bound(b"start")?, bound(b"stop")?, bound(b"step")?);
        let name = name.map_or(String::new(), |name| format!(", name={name}"));
        return Some(format!("RangeIndex(start={start}, stop={stop}, step={step}{name})"));
    }
    Some(described(&class, &index_values(value, &class, state, DEPTH_MAX)?, name))
}

/// Length and dtype of an index.
fn index_of(value: &Value, node: Node) -> Option<Values> {
    let made = of_plain(value, node)?;
    let &[class_node, Node::Dict(state)] = made.args else { return None };
    let (module, name) = named(value, made.class)?;
    index(value, module, name, &made)?;
    index_values(value, &class(value, class_node)?, state, DEPTH_MAX)
}

fn index_values(value: &Value, class: &str, state: Id, depth: usize) -> Option<Values> {
    let found = match class {
        "RangeIndex" => {
            let bound = |name| match find(value, state, name)? {
                Node::Int(bound) => Some(i128::from(bound)),
                _ => None,
            };
            let (start, stop, step) = (bound(b"start")?, bound(b"stop")?, bound(b"step")?);
            (step != 0).then_some(())?;
            let length = (stop - start + step - step.signum()) / step;
            Values { shape: vec![usize::try_from(length.max(0)).ok()?], dtype: "int64".to_owned() }
        }
        "MultiIndex" => {
            let Node::List(codes) = find(value, state, b"codes")? else { return None };
            let first = values(value, *value.members(codes).first()?, depth)?;
            Values { dtype: "object".to_owned(), ..first }
        }
        _ => values(value, find(value, state, b"data")?, depth)?,
    };
    (found.shape.len() == 1).then_some(found)
}

/// Shape and dtype of an array, numpy's or pandas' own.
fn values(value: &Value, node: Node, depth: usize) -> Option<Values> {
    let made = of_plain(value, node)?;
    let (module, name) = named(value, made.class)?;
    match (module, name) {
        (b"pandas._libs.arrays", b"__pyx_unpickle_NDArrayBacked") => backed(value, &made, depth),
        _ if is_index(module, name) => {
            let &[class_node, Node::Dict(state)] = made.args else { return None };
            index_values(value, &class(value, class_node)?, state, depth.checked_sub(1)?)
        }
        (b"pandas.core.arrays.integer" | b"pandas.core.arrays.floating" | b"pandas.core.arrays.boolean", _)
        | (b"pandas.arrays", b"IntegerArray" | b"FloatingArray" | b"BooleanArray") => {
            let ([], &[Step::State(Node::Dict(state))]) = (made.args, made.steps) else { return None };
            let inner = values(value, find(value, state, b"_data")?, depth.checked_sub(1)?)?;
            let dtype = match inner.dtype.as_str() {
                "bool" => "boolean".to_owned(),
                unsigned if unsigned.starts_with("uint") => unsigned.replacen("uint", "UInt", 1),
                other => other[..1].to_uppercase() + &other[1..],
            };
            Some(Values { dtype, ..inner })
        }
        _ => {
            let (shape, dtype) = numpy::shape_and_dtype(value, module, name, &made)?;
            Some(Values { shape, dtype })
        }
    }
}

/// Made of a class; the state has a dtype and numpy's array, in either order, and what is private.
fn backed(value: &Value, made: &Made<'_>, depth: usize) -> Option<Values> {
    let (&[_, Node::Int(_), Node::None], &[Step::State(Node::Tuple(state))]) = (made.args, made.steps) else {
        return None;
    };
    let (&[first, second] | &[first, second, _]) = value.members(state) else { return None };
    let depth = depth.checked_sub(1)?;
    let found =
        |dtype: Node, array: Node| Some(Values { dtype: dtype_name(value, dtype)?, ..values(value, array, depth)? });
    found(first, second).or_else(|| found(second, first))
}

/// A dtype in the words of its `str`.
fn dtype_name(value: &Value, node: Node) -> Option<String> {
    let made = of_plain(value, node)?;
    let (module, name) = named(value, made.class)?;
    if (module, name) == (b"numpy", b"dtype") {
        return numpy::dtype_name(value, node);
    }
    let is_pandas = matches!(module, b"pandas" | b"pandas.core.dtypes.dtypes" | b"pandas.core.arrays.string_");
    match (name, made.args, made.steps) {
        _ if !is_pandas => None,
        (b"CategoricalDtype", [], [Step::State(_)]) => Some("category".to_owned()),
        (b"StringDtype", ..) => Some(if made.args.len() == 2 { "str" } else { "string" }.to_owned()),
        (b"PeriodDtype", &[Node::Str(text)], _) => short_name(value.text(text)),
        (b"DatetimeTZDtype", [], &[Step::State(Node::Dict(state))]) => {
            let (Node::Str(unit), zone) = (find(value, state, b"unit")?, find(value, state, b"tz")?) else {
                return None;
            };
            let zone = match foreign(value, zone)? {
                Known::TimeZone(TimeDelta { days: 0, seconds: 0, .. }, _) => "UTC".into(),
                Known::ZoneInfo(key) => value.text(key).to_vec(),
                Known::Word { plain: Plain::Text(text), .. } => text,
                _ => return None,
            };
            short_name(&[b"datetime64[", value.text(unit), b", ", &zone, b"]"].concat())
        }
        _ => None,
    }
}

/// The labels of an index of so many, as they print, where they are few and short.
fn labels(value: &Value, index: Node, count: usize) -> Option<Vec<String>> {
    (count <= COLUMNS_MAX).then_some(())?;
    let made = of_plain(value, index)?;
    let &[class_node, Node::Dict(state)] = made.args else { return None };
    if class(value, class_node)? == "RangeIndex" {
        let (Node::Int(start), Node::Int(step)) = (find(value, state, b"start")?, find(value, state, b"step")?) else {
            return None;
        };
        let labels = (0..count).map(|at| (i128::from(start) + at as i128 * i128::from(step)).to_string());
        return Some(labels.collect());
    }
    let mut data = find(value, state, b"data")?;
    if let Some(made) = of_plain(value, data)
        .filter(|made| named(value, made.class).is_some_and(|(_, name)| name == b"__pyx_unpickle_NDArrayBacked"))
    {
        let &[Step::State(Node::Tuple(state))] = made.steps else { return None };
        data = *value.members(state).get(1)?;
    }
    match foreign(value, data)? {
        Known::Form(form) => match form.given.nodes() {
            &[Node::List(items)] => value.members(items).iter().map(|node| label(value, *node)).collect(),
            _ => None,
        },
        Known::Array(array) => Array::words(&array),
        _ => None,
    }
}

/// A name as it prints; `None` for none, and for what is no short text or number.
fn label(value: &Value, node: Node) -> Option<String> {
    let mut text = Vec::new();
    match node {
        Node::Str(span) if span.len as usize <= NAME_MAX => scalar::write_str(value.text(span), &mut text),
        Node::Int(number) => scalar::write_int(number, &mut text),
        Node::Float(number) => scalar::write_float(number, &mut text),
        _ => return None,
    }
    String::from_utf8(text).ok()
}

/// Text without quotes, where it is short.
fn short_name(name: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    (name.len() <= NAME_MAX).then(|| scalar::write_name(name, &mut text))?;
    String::from_utf8(text).ok()
}

/// The last name of one of pandas' classes.
fn class(value: &Value, node: Node) -> Option<String> {
    let (module, name) = named(value, node)?;
    if module.starts_with(b"pandas") { short_name(name) } else { None }
}

/// What stands in a table and is not pandas' own: so no table in a table is followed.
fn foreign(value: &Value, node: Node) -> Option<Known<'_>> {
    let is_pandas = named(value, of_plain(value, node)?.class).is_some_and(|(module, _)| module.starts_with(b"pandas"));
    if is_pandas { None } else { of(value, node) }
}

fn named(value: &Value, node: Node) -> Option<(&[u8], &[u8])> {
    if let Node::Global(id) = node { Some(value.global(id)) } else { None }
}

/// What a small dict of the library's own has at a key.
fn find(value: &Value, dict: Id, wanted: &[u8]) -> Option<Node> {
    let is_wanted = |pair: &&[Node]| matches!(pair[0], Node::Str(key) if value.text(key) == wanted);
    value.members(dict).chunks_exact(2).take(32).find(is_wanted).map(|pair| pair[1])
}

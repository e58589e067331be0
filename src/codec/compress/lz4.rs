//! `lz4`, a frame, and `lz4-block`, a raw block with its size in front, both as python-lz4 4.4 has them.
//!
//! A frame (`lz4_Frame_format.md` 1.6) is walked from its header to its end before it is decoded, so
//! that one that was cut short is seen as such: its reader takes a missing end for the end. A block
//! (`lz4.block.compress`) is four bytes of size, the lowest first, and no end at all.

use std::io::Write as _;

use lz4_flex::block;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Source, claimed, decode_limited, fill_from, little_endian, trailing};
use crate::codec::cursor::Cursor;
use crate::codec::{Compressor, Error, Fact, Parameter, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `lz4`. The compressor here knows one level, the fast one, so that is no parameter.
pub const FRAME: Row = Row {
    names: &["lz4"],
    about: "an lz4 frame, as lz4.frame writes it",
    parameters: &[
        Parameter { name: "block-size", range: 4..=7, default: 4, about: "4 is 64 KiB, 5 256 KiB, 6 1 MiB, 7 4 MiB" },
        Parameter { name: "block-linked", range: 0..=1, default: 1, about: "1 lets a block refer to the one before" },
        Parameter { name: "block-checksum", range: 0..=1, default: 0, about: "1 puts a checksum after each block" },
        Parameter { name: "content-checksum", range: 0..=1, default: 0, about: "1 puts a checksum at the end" },
        Parameter { name: "store-size", range: 0..=1, default: 1, about: "1 puts the content's size in the header" },
    ],
    work: Work::Compressor(&Framed),
};

/// The row of `lz4-block`.
pub const BLOCK: Row = Row {
    names: &["lz4-block"],
    about: "an lz4 block after its size, as lz4.block writes it",
    parameters: &[],
    work: Work::Compressor(&Block),
};

struct Framed;

impl Compressor for Framed {
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        // Like the library: no larger block than is needed, one block has none before it, and nothing
        // has no size.
        let asked = parameters.of("block-size");
        let size = (4..asked).find(|size| bytes.len() <= block_bytes(*size)).unwrap_or(asked);
        let linked = parameters.of("block-linked") == 1 && bytes.len() > block_bytes(size);
        let block_size = match size {
            4 => BlockSize::Max64KB,
            5 => BlockSize::Max256KB,
            6 => BlockSize::Max1MB,
            _ => BlockSize::Max4MB,
        };
        let sized = parameters.of("store-size") == 1 && !bytes.is_empty();
        let info = FrameInfo::new()
            .block_size(block_size)
            .block_mode(if linked { BlockMode::Linked } else { BlockMode::Independent })
            .block_checksums(parameters.of("block-checksum") == 1)
            .content_checksum(parameters.of("content-checksum") == 1)
            .content_size(sized.then_some(bytes.len() as u64));
        let unfit = |error: String| Error::unfit("lz4", error);
        let mut lz4 = FrameEncoder::with_frame_info(info, Vec::new());
        lz4.write_all(bytes).map_err(|error| unfit(error.to_string()))?;
        lz4.finish().map_err(|error| unfit(error.to_string()))
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let mut cursor = Cursor::new("lz4", bytes);
        let Some(header) = walk(&mut cursor)? else {
            let note = "the first frame is one to be skipped: python-lz4 reads nothing, and no further";
            remarks.notes.push(note.to_owned());
            return Ok(Vec::new());
        };
        let frame = cursor.since(0);
        let mut source = Frame { decoder: FrameDecoder::new(frame), length: frame.len(), claim: header.content };
        let out = decode_limited("lz4", &mut source, bytes.len(), limits)?;
        remarks.facts = header.facts();
        remarks.notes.extend(trailing(cursor.rest().len(), "the first frame", "python-lz4"));
        Ok(out)
    }
}

/// What a block of a frame decodes to at most, by the number that the format has for it: 4 to 7.
fn block_bytes(size: impl Into<i64>) -> usize {
    1 << (8 + 2 * size.into())
}

/// What a frame's header tells.
struct Header {
    flags: u8,
    /// The most that a block decodes to.
    block: u64,
    content: Option<u64>,
}

impl Header {
    fn facts(&self) -> Vec<(&'static str, Fact)> {
        let when = |flag, yes, no| Fact::Words(if self.flags & flag != 0 { yes } else { no });
        vec![
            ("block", Fact::Bytes(self.block)),
            ("blocks", when(0x20, "independent", "linked")),
            ("block checksums", when(0x10, "yes", "no")),
            ("content", self.content.map_or(Fact::Words("not stated"), Fact::Bytes)),
            ("checksum", when(0x04, "yes", "no")),
        ]
    }
}

/// Passes over one frame; `None` for one that is to be skipped.
fn walk(cursor: &mut Cursor) -> Result<Option<Header>, Error> {
    let start = cursor.clone();
    match cursor.array("the magic number of an lz4 frame").map(u32::from_le_bytes)? {
        0x184d_2204 => {}
        0x184d_2a50..=0x184d_2a5f => {
            let length = u32::from_le_bytes(cursor.array("the length of a skippable frame")?);
            cursor.take(length as usize, "a skippable frame")?;
            return Ok(None);
        }
        _ => return Err(start.wrong("not an lz4 frame")),
    }
    let [flags, descriptor] = cursor.array("the descriptor of an lz4 frame")?;
    if flags >> 6 != 1 {
        return Err(start.wrong(format!("unknown version {} of the lz4 frame format", flags >> 6)));
    }
    let block = match descriptor >> 4 & 7 {
        size @ 4..=7 => block_bytes(size) as u64,
        size => return Err(start.wrong(format!("unknown block size {size} of an lz4 frame"))),
    };
    let content = match flags & 8 {
        0 => None,
        _ => Some(u64::from_le_bytes(cursor.array("the content size of an lz4 frame")?)),
    };
    if flags & 1 != 0 {
        let dictionary = little_endian(cursor.take(4, "a dictionary id")?);
        let message = format!("the frame needs dictionary {dictionary}, which a cache entry does not have");
        return Err(start.wrong(message));
    }
    cursor.take(1, "the checksum of an lz4 header")?;
    loop {
        let size = u32::from_le_bytes(cursor.array("the size of an lz4 block")?);
        if size == 0 {
            break;
        }
        cursor.take((size & 0x7fff_ffff) as usize, "an lz4 block")?;
        if flags & 0x10 != 0 {
            cursor.take(4, "the checksum of an lz4 block")?;
        }
    }
    if flags & 4 != 0 {
        cursor.take(4, "the checksum of the content")?;
    }
    Ok(Some(Header { flags, block, content }))
}

/// One whole frame.
struct Frame<'a> {
    decoder: FrameDecoder<&'a [u8]>,
    length: usize,
    claim: Option<u64>,
}

impl Source for Frame<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        fill_from(&mut self.decoder, out).map_err(|error| {
            Error::malformed("lz4", self.at() as u64, format!("the lz4 frame is damaged before here: {error}"))
        })
    }

    fn at(&self) -> usize {
        self.length - self.decoder.get_ref().len()
    }

    fn claim(&self) -> Option<u64> {
        self.claim
    }
}

/// A byte of a block's input makes no more bytes of output than this (`lz4_Block_format.md`).
const BLOCK_RATIO_MAX: u64 = 255;

struct Block;

impl Compressor for Block {
    fn encode(&self, bytes: &[u8], _: &Parameters) -> Result<Vec<u8>, Error> {
        match i32::try_from(bytes.len()) {
            Ok(_) => Ok(block::compress_prepend_size(bytes)),
            Err(_) => Err(Error::unfit("lz4-block", "a block holds less than 2 GiB")),
        }
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let mut cursor = Cursor::new("lz4-block", bytes);
        let claim = u32::from_le_bytes(cursor.array("the size in front of an lz4 block")?);
        match (claim, cursor.rest()) {
            (_, []) => return Err(cursor.wrong("cut short: no block follows the size")),
            // The C library takes no other block for an empty one.
            (0, block) if block != [0] => return Err(cursor.wrong("the size is 0, and a block with content follows")),
            _ => {}
        }
        let mut out = claimed("lz4-block", u64::from(claim), cursor.rest().len(), BLOCK_RATIO_MAX, limits)?;
        let written = block::decompress_into(cursor.rest(), &mut out).map_err(|error| {
            cursor.wrong(format!("the lz4 block that starts here is cut short or damaged: {error}"))
        })?;
        if written < out.len() {
            cursor.pass(cursor.rest().len());
            return Err(cursor.wrong(format!("cut short: {written} bytes, and its size says {claim}")));
        }
        remarks.facts = vec![("content", Fact::Bytes(u64::from(claim)))];
        Ok(out)
    }
}

//! The room of the objects: from stored bytes to chunks of whole lines, in
//! memory that doesn't grow with the object.
//!
//! - `local`: objects of a folder.
//! - `remote`: objects of S3, fetched ahead.
//! - `decompress`: gzip or plain, as the content says.
//! - `lines`: chunks of whole lines, numbered and with their offsets; `piece`: what
//!   they are.
//! - `sniff`: what content looks like that is no log.
//! - `gzip`: the way back, for rewritten objects.

mod decompress;
mod gzip;
mod lines;
mod local;
mod piece;
mod remote;
mod sniff;

pub use decompress::{Decompressor, ReadError, is_gzip};
pub use gzip::GzipWriter;
pub use lines::LineReader;
pub use local::{LocalObject, ObjectListing, list_objects};
pub use piece::{Chunk, Piece, ReadLimits, Remainder};
pub use remote::{RemoteReader, open};

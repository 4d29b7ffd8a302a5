//! A small file that decompresses to very much.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::object;
use crate::time::Instant;

const MEMBER: u64 = 64 << 20;

/// Writes `gib` GiB of zeros as gzip: one member of 64 MiB, compressed once and
/// repeated, so that a huge bomb is made as fast as the disk writes its
/// thousandth part. Returns the file's size in bytes.
///
/// # Errors
/// The file can't be written.
pub fn bomb(path: &Path, gib: u64) -> Result<u64> {
    let member = member()?;
    let file = object::create(path)?;
    let mut out = BufWriter::new(&file);
    for _ in 0..gib.saturating_mul((1 << 30) / MEMBER) {
        out.write_all(&member).with_context(|| format!("cannot write {}", path.display()))?;
    }
    out.flush().with_context(|| format!("cannot write {}", path.display()))?;
    drop(out);
    object::close(&file, path, Instant::DAY)
}

fn member() -> Result<Vec<u8>> {
    let zeros = [0; 1 << 16];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..MEMBER >> 16 {
        encoder.write_all(&zeros)?;
    }
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::bufread::MultiGzDecoder;
    use std::io::{BufReader, Read};

    #[test]
    fn is_small_and_holds_what_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/bomb.json.gz");
        let size = bomb(&path, 1).unwrap();
        assert!(size < (1 << 30) / 1000, "{size}");
        let file = std::fs::File::open(&path).unwrap();
        assert_eq!(file.metadata().unwrap().len(), size);
        let mut decoder = MultiGzDecoder::new(BufReader::new(file));
        let mut buffer = vec![1; 1 << 20];
        let mut total = 0;
        loop {
            let count = decoder.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            total += count;
        }
        assert_eq!(total, 1 << 30);
        assert!(bomb(Path::new("/dev/null/x"), 1).unwrap_err().to_string().contains("/dev/null"));
    }
}

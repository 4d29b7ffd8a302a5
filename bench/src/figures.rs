//! The figures that are measured: each part by itself, and the whole as a process.

use std::path::{Path, PathBuf};

use anyhow::Result;
use corpus::Counts;

use crate::arguments::Arguments;
use crate::child::{self, Usage};
use crate::parts::{self, Part};
use crate::sample::Sample;

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Gunzip,
    Native,
    Guest,
    Whole,
    Large,
    Start,
}

impl Figure {
    pub(crate) const ALL: [Self; 6] = [Self::Gunzip, Self::Native, Self::Guest, Self::Whole, Self::Large, Self::Start];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gunzip => "gunzip alone",
            Self::Native => "guests/record natively",
            Self::Guest => "the default guest, with its limits",
            Self::Whole => "`local`, eight objects",
            Self::Large => "`local`, one large object",
            Self::Start => "`local`, one record: start to end",
        }
    }
}

/// Everything that is measured with. It holds no data: a child's peak is never
/// told as less than what its parent had at its start.
pub(crate) struct Bench {
    processor: PathBuf,
    guest: PathBuf,
    many: PathBuf,
    large: PathBuf,
    tiny: PathBuf,
    /// Decompressed bytes and records of `many`.
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    large_bytes: u64,
}

impl Bench {
    pub(crate) fn new(
        arguments: &Arguments,
        [many, large, tiny]: [PathBuf; 3],
        counts: &Counts,
        large_counts: &Counts,
    ) -> Self {
        Self {
            processor: arguments.processor.clone(),
            guest: arguments.guest.clone(),
            many,
            large,
            tiny,
            bytes: counts.bytes,
            records: counts.lines,
            large_bytes: large_counts.bytes,
        }
    }

    pub(crate) fn measure(&self, figure: Figure) -> Result<Sample> {
        match figure {
            Figure::Gunzip => parts::measure(Part::Gunzip, &self.many, &self.guest),
            Figure::Native => parts::measure(Part::Native, &self.many, &self.guest),
            Figure::Guest => parts::measure(Part::Guest, &self.many, &self.guest),
            Figure::Whole => self.local(&self.many, Some(self.bytes)),
            Figure::Large => self.local(&self.large, Some(self.large_bytes)),
            Figure::Start => self.local(&self.tiny, None),
        }
    }

    /// The processor as a process, over a corpus, to an empty folder.
    fn local(&self, corpus: &Path, bytes: Option<u64>) -> Result<Sample> {
        let output = corpus.join("output");
        if output.exists() {
            std::fs::remove_dir_all(&output)?;
        }
        let (objects, tenants) = (corpus.join("objects"), corpus.join("tenants.yaml"));
        let flags = ["local", "--objects", "--tenants", "--output"].map(Path::new);
        let [local, objects_flag, tenants_flag, output_flag] = flags;
        let arguments = [local, objects_flag, &objects, tenants_flag, &tenants, output_flag, &output];
        let Usage { cpu, wall, peak_bytes } = child::run(&self.processor, &arguments)?;
        Ok(Sample { bytes, cpu, wall, peak_bytes: Some(peak_bytes) })
    }
}

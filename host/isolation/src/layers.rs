//! Layers of the wall around a worker, each of which a platform may lack.

use serde::{Deserialize, Serialize};

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layer {
    /// Only the system calls that a worker needs; any other ends it.
    Seccomp,
    /// No file of any file system can be opened.
    Landlock,
    /// Network, processes, mounts and IPC of its own, with nothing in them.
    Namespaces,
    /// A root directory with nothing in it.
    EmptyRoot,
    /// A user of its own, with no capability.
    OwnUser,
    /// Limits of memory, files, processes and (for the compiler) CPU time.
    ResourceLimits,
    /// Nobody may look at its memory, nor at its parent's.
    NotDumpable,
}

impl Layer {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Seccomp,
        Self::Landlock,
        Self::Namespaces,
        Self::EmptyRoot,
        Self::OwnUser,
        Self::ResourceLimits,
        Self::NotDumpable,
    ];

    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::Namespaces => "namespaces",
            Self::EmptyRoot => "empty-root",
            Self::OwnUser => "own-user",
            Self::ResourceLimits => "resource-limits",
            Self::NotDumpable => "not-dumpable",
        }
    }
}

/// The layers that a worker has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers(Vec<Layer>);

impl Layers {
    /// Takes note of a layer, if it could be had.
    pub(crate) fn note(&mut self, layer: Layer, is_there: bool) {
        if is_there && !self.has(layer) {
            self.0.push(layer);
        }
    }

    /// Whether the layer is there.
    pub fn has(&self, layer: Layer) -> bool {
        self.0.contains(&layer)
    }

    /// The layers that this platform lacks.
    pub fn lacking(&self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().filter(|layer| !self.has(*layer))
    }
}

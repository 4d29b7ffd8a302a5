//! The parts that are measured on AWS.

/// A group of figures that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Queue,
    Lambda,
    Manual,
    Start,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [Self::Queue, Self::Lambda, Self::Manual, Self::Start];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "aws-queue",
            Self::Lambda => "aws-lambda",
            Self::Manual => "aws-manual",
            Self::Start => "aws-start",
        }
    }

    pub(crate) fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

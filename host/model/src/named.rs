//! Closed sets of kinds, each with a name by which it is shown.

/// A kind that has a name, one of a bounded set, by which it is shown.
pub trait Named: Copy {
    /// The name in reports, logs and metrics.
    fn name(self) -> &'static str;
}

/// An enum without fields whose variants have names: so that none can lack in `ALL`.
#[macro_export]
macro_rules! named {
    ($(#[$meta:meta])* pub enum $kind:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $kind {
            $($(#[$doc])* $variant,)+
        }

        impl $kind {
            /// All there are.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name in reports, logs and metrics: one of a bounded set.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl $crate::Named for $kind {
            fn name(self) -> &'static str {
                self.name()
            }
        }
    };
}

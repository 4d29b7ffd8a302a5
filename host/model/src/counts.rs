//! Counts by kind, in the order of the kinds' names.

use std::collections::BTreeMap;
use std::fmt;

use super::named::Named;

/// How often each kind was met. Those that were not met are not there.
#[derive(Clone, PartialEq, Eq)]
pub struct Counts<K>(BTreeMap<&'static str, (K, u64)>);

impl<K: Named> Counts<K> {
    /// Counts so many more.
    pub fn add(&mut self, kind: K, count: u64) {
        if count > 0 {
            self.0.entry(kind.name()).or_insert((kind, 0)).1 += count;
        }
    }

    /// Counts all of `other` too.
    pub fn add_all(&mut self, other: &Self) {
        other.iter().for_each(|(kind, count)| self.add(kind, count));
    }

    /// How often a kind was met.
    pub fn get(&self, kind: K) -> u64 {
        self.0.get(kind.name()).map_or(0, |(_, count)| *count)
    }

    /// The kinds that were met, and how often, by name.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, u64)> {
        self.0.values().copied()
    }

    /// The names of those, and how often.
    pub fn by_name(&self) -> impl DoubleEndedIterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(name, (_, count))| (*name, *count))
    }

    /// The kind that was met most often; of several the first by name.
    pub fn most(&self) -> Option<K> {
        self.iter().rev().max_by_key(|(_, count)| *count).map(|(kind, _)| kind)
    }
}

impl<K> Counts<K> {
    /// How often any was met.
    pub fn sum(&self) -> u64 {
        self.0.values().map(|(_, count)| count).sum()
    }

    /// Whether none was met.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Named> FromIterator<(K, u64)> for Counts<K> {
    fn from_iter<I: IntoIterator<Item = (K, u64)>>(counts: I) -> Self {
        let mut all = Self::default();
        counts.into_iter().for_each(|(kind, count)| all.add(kind, count));
        all
    }
}

impl<K: Named, const N: usize> From<[(K, u64); N]> for Counts<K> {
    fn from(counts: [(K, u64); N]) -> Self {
        counts.into_iter().collect()
    }
}

impl<K> fmt::Debug for Counts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, (_, count))| (name, count))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;

    #[test]
    fn kinds_are_counted_by_name() {
        let mut counts = Counts::from([(Reason::TooOld, 2), (Reason::Malformed, 0), (Reason::Damaged, 1)]);
        counts.add(Reason::TooOld, 1);
        assert_eq!((counts.get(Reason::TooOld), counts.get(Reason::Malformed), counts.sum()), (3, 0, 4));
        assert_eq!(counts.by_name().collect::<Vec<_>>(), [("damaged", 1), ("too-old", 3)]);
        assert_eq!(counts.most(), Some(Reason::TooOld));
        counts.add(Reason::Damaged, 2);
        assert_eq!(counts.most(), Some(Reason::Damaged), "of several the first by name");
        assert_eq!(format!("{counts:?}"), r#"{"damaged": 3, "too-old": 3}"#);
        assert!(!counts.is_empty() && Counts::<Reason>::default().is_empty());
    }
}

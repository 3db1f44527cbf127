//! Public suffix and registered domain of a name, by the public suffix list that is compiled in.
//!
//! A lookup costs over 100 ns, so it is made once a zone where the zone settles it ([`Suffixes::settled_by`]), and
//! remembered by name where it does not. Whatever the list says of a name, the name itself is never lost.

use foldhash::fast::FixedState;
use psl::Psl;
use std::cell::Cell;
use std::hash::BuildHasher;

/// Where the suffixes of a name begin, counted in bytes from its end; 0 means there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Suffixes {
    /// Bytes of the registered domain: the public suffix and the label before it.
    pub(crate) registered: usize,
    /// Bytes of the public suffix.
    pub(crate) public: usize,
}

impl Suffixes {
    /// The suffixes of a normalised name.
    pub(crate) fn of(name: &str) -> Self {
        // A name that is not made of labels (`a..b`, `.`) has no suffix to speak of; the list would count empty labels.
        if name.is_empty() || name.split('.').any(str::is_empty) {
            return Self::default();
        }
        let public = psl::List.find(name.rsplit('.').map(str::as_bytes)).len.min(name.len());
        let registered = match name.len() - public {
            0 => 0,
            // The byte before the suffix is a dot; the label before that dot makes the registered domain.
            rest => name.len() - name[..rest - 1].rfind('.').map_or(0, |dot| dot + 1),
        };
        Self { registered, public }
    }

    /// The suffixes that every name at or below `zone` has, if the zone settles them: it lies at or below its registered
    /// domain, and the list has no rule below it (as it has for `s3.amazonaws.com` below `amazonaws.com`).
    pub(crate) fn settled_by(zone: &str) -> Option<Self> {
        let suffixes = Self::of(zone);
        if suffixes.registered == 0 {
            return None;
        }
        // The list asks for labels only as long as a longer rule could still match. If it asks for one beyond the zone's
        // own, there are rules below the zone.
        let asked_beyond = Cell::new(false);
        let labels = zone.rsplit('.').map(str::as_bytes).chain(std::iter::from_fn(|| {
            asked_beyond.set(true);
            None
        }));
        psl::List.find(labels);
        (!asked_beyond.get()).then_some(suffixes)
    }

    /// The registered domain of the name these suffixes were found for.
    pub(crate) fn registered_domain(self, name: &str) -> &str {
        &name[name.len() - self.registered..]
    }

    /// The public suffix of the name these suffixes were found for.
    pub(crate) fn public_suffix(self, name: &str) -> &str {
        &name[name.len() - self.public..]
    }
}

/// Names that the cache holds: what a quiet zone or a VPC asks for again and again.
const NAMES: usize = 1_024;

/// Remembers the suffixes of names. Its size is fixed, and its slots depend on a seed that whoever chooses names does
/// not know; a name that finds its slot taken replaces the other.
pub(crate) struct SuffixCache {
    hasher: FixedState,
    slots: Box<[(String, Suffixes)]>,
}

impl SuffixCache {
    pub(crate) fn new(seed: u64) -> Self {
        Self { hasher: FixedState::with_seed(seed), slots: vec![Default::default(); NAMES].into() }
    }

    /// The suffixes of a normalised name.
    pub(crate) fn of(&mut self, name: &str) -> Suffixes {
        let slot = self.hasher.hash_one(name) as usize % NAMES;
        let (remembered, suffixes) = &mut self.slots[slot];
        if remembered != name {
            remembered.clear();
            remembered.push_str(name);
            *suffixes = Suffixes::of(name);
        }
        *suffixes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn suffixes_follow_the_list() {
        for (name, registered, public) in [
            ("www.example.com", "example.com", "com"),
            ("example.com", "example.com", "com"),
            ("com", "", "com"),
            ("a.b.example.co.uk", "example.co.uk", "co.uk"),
            ("x.s3.amazonaws.com", "x.s3.amazonaws.com", "s3.amazonaws.com"),
            ("_dmarc.example.com", "example.com", "com"),
            ("host.internal", "host.internal", "internal"),
            ("localhost", "", "localhost"),
            ("1.2.0.192.in-addr.arpa", "192.in-addr.arpa", "in-addr.arpa"),
            ("8.b.d.0.1.0.0.2.ip6.arpa", "2.ip6.arpa", "ip6.arpa"),
            ("", "", ""),
            (".", "", ""),
            ("a..com", "", ""),
            (".com", "", ""),
        ] {
            let suffixes = Suffixes::of(name);
            let found = (suffixes.registered_domain(name), suffixes.public_suffix(name));
            assert_eq!(found, (registered, public), "{name}");
        }
    }

    #[test]
    fn a_zone_settles_its_names_unless_the_list_has_rules_below_it() {
        for (zone, settled) in [
            ("example.com", true),
            ("sub.example.com", true),
            ("example.co.uk", true),
            ("2.0.192.in-addr.arpa", true),
            ("com", false),
            ("co.uk", false),
            ("amazonaws.com", false),
            ("fastly.net", false),
            ("", false),
        ] {
            assert_eq!(Suffixes::settled_by(zone).is_some(), settled, "{zone}");
        }
    }

    proptest! {
        #[test]
        fn what_a_zone_settles_holds_for_names_below_it(
            below in "[a-z0-9-]{1,8}(\\.[a-z0-9-]{1,8}){0,2}",
            zone in prop::sample::select(vec![
                "example.com", "a.example.co.uk", "amazonaws.com", "fastly.net", "kawasaki.jp", "github.io", "x.ck",
                "2.0.192.in-addr.arpa", "azure.com", "co.uk", "foo.bar.example.org",
            ]),
        ) {
            let name = format!("{below}.{zone}");
            if let Some(settled) = Suffixes::settled_by(zone) {
                prop_assert_eq!(settled, Suffixes::of(&name));
            }
        }

        #[test]
        fn any_text_has_suffixes_that_end_it(name in ".{0,40}") {
            let suffixes = Suffixes::of(&name);
            prop_assert!(name.ends_with(suffixes.registered_domain(&name)));
            prop_assert!(suffixes.registered == 0 || suffixes.registered > suffixes.public);
        }

        #[test]
        fn the_cache_agrees_with_the_list(names in prop::collection::vec("[ab]{1,2}\\.[ab]\\.(com|co\\.uk)", 1..50)) {
            let mut cache = SuffixCache::new(7);
            for name in &names {
                prop_assert_eq!(cache.of(name), Suffixes::of(name));
            }
        }
    }
}

//! Which records are delivered: by zone, type and response code, and by a sample that every worker draws alike.

use crate::config;
use dnslog::{Facts, Query};

/// Why a record was left out. Closed set: the `reason` of `records_left_out_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Its zone is not among the configured ones.
    Zone,
    /// Its query type is not.
    Type,
    /// Its response code is not.
    ResponseCode,
    /// Its event id was not drawn.
    Sample,
}

impl LeftOut {
    /// Every reason.
    pub const ALL: [LeftOut; 4] = [LeftOut::Zone, LeftOut::Type, LeftOut::ResponseCode, LeftOut::Sample];

    /// The reason as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Type => "type",
            Self::ResponseCode => "response_code",
            Self::Sample => "sample",
        }
    }
}

/// The `[records]` filter, checked and ready.
#[derive(Debug, Clone)]
pub struct Filter {
    zones: Vec<String>,
    types: Vec<String>,
    response_codes: Vec<String>,
    /// Hashes below this are kept; `None` keeps all.
    kept_below: Option<u64>,
}

impl Filter {
    /// From the configuration.
    pub fn new(records: &config::Records) -> Self {
        // 2^64 as f64; a sample of 1 keeps all, without the rounding.
        let kept_below =
            (records.sample < 1.0).then(|| (records.sample.max(0.0) * 18_446_744_073_709_551_616.0) as u64);
        Self {
            zones: records.zones.iter().map(|zone| zone.trim_end_matches('.').to_ascii_lowercase()).collect(),
            types: records.types.clone(),
            response_codes: records.response_codes.clone(),
            kept_below,
        }
    }

    /// Why this query's record is not delivered; `None` if it is.
    pub fn leaves_out(&self, query: &Query<'_>, facts: &Facts<'_>, id: &str) -> Option<LeftOut> {
        let lists =
            |list: &[String], text: &str| list.is_empty() || list.iter().any(|one| one.eq_ignore_ascii_case(text));
        if !lists(&self.zones, facts.zone) && !lists(&self.zones, query.zone_id) {
            return Some(LeftOut::Zone);
        }
        if !lists(&self.types, query.query_type_text) {
            return Some(LeftOut::Type);
        }
        if !lists(&self.response_codes, query.response_code_text) {
            return Some(LeftOut::ResponseCode);
        }
        match self.kept_below {
            Some(kept_below) if hash(id.as_bytes()) >= kept_below => Some(LeftOut::Sample),
            _ => None,
        }
    }
}

/// FNV-1a (64 bits; offset basis and prime from the authors' page) with SplitMix64's finaliser, which spreads the ids'
/// common prefixes over the high bits. A constant of the project: another hash would draw another sample.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_the_same_everywhere_and_as_large_as_asked() {
        // Pinned: a record sampled yesterday must be sampled by a replay next year.
        assert_eq!(hash(b""), 0xf52a_15e9_a9b5_e89b);
        let kept_below = (0.1 * 18_446_744_073_709_551_616.0) as u64;
        let kept = (0..100_000_u32).filter(|at| hash(format!("3712345678901234567890{at:08}").as_bytes()) < kept_below);
        let kept = kept.count();
        assert!((9_600..10_400).contains(&kept), "{kept} of 100,000 at 10 %");
    }
}

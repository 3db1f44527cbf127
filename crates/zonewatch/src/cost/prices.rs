//! Prices: `prices.toml` beside this file, and what a file of the user's puts in its place.

use crate::nearest::nearest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The table, as `--print-prices` prints it.
pub const TABLE: &str = include_str!("prices.toml");

/// Bytes of a GB as AWS counts.
pub const GIB: f64 = (1_u64 << 30) as f64;

/// One price, with where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// What one of is paid for.
    pub unit: String,
    /// Above so many units, dollars for each; ascending, from 0.
    pub tiers: Vec<(f64, f64)>,
    /// Who said so.
    pub source: String,
    /// When.
    pub date: String,
}

impl Price {
    /// Dollars for so many units a month.
    pub fn of(&self, units: f64) -> f64 {
        let ends = self.tiers.iter().skip(1).map(|tier| tier.0).chain([f64::INFINITY]);
        self.tiers.iter().zip(ends).map(|((above, dollars), end)| (units.min(end) - above).max(0.0) * dollars).sum()
    }

    fn faults(&self) -> Option<&'static str> {
        let numbers = || self.tiers.iter().flat_map(|(above, dollars)| [*above, *dollars]);
        if self.tiers.first().is_none_or(|first| first.0 != 0.0) {
            Some("the first tier must hold above 0")
        } else if !self.tiers.is_sorted_by(|one, next| one.0 < next.0) {
            Some("tiers must be in ascending order")
        } else if !numbers().all(|number| (0.0..1e12).contains(&number)) {
            Some("every number must be 0 or above, and finite")
        } else if self.source.trim().is_empty() || self.date.trim().is_empty() {
            Some("source and date must be said")
        } else {
            None
        }
    }
}

/// All prices of one Region.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prices {
    /// Where they hold.
    pub region: String,
    /// By name.
    #[serde(flatten)]
    by_name: BTreeMap<String, Price>,
}

#[derive(Deserialize)]
struct File {
    region: String,
    #[serde(flatten)]
    by_name: BTreeMap<String, Price>,
}

impl Prices {
    /// Those of the table.
    pub fn known() -> Self {
        Self::whole(TABLE).expect("a test reads the table")
    }

    fn whole(text: &str) -> Result<Self, String> {
        let File { region, by_name } = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if let Some((name, what)) = by_name.iter().find_map(|(name, price)| Some((name, price.faults()?))) {
            return Err(format!("{name}: {what}"));
        }
        Ok(Self { region, by_name })
    }

    /// Those of a file. One of the table's Region may name only what differs; one of another must name everything.
    pub fn read(text: &str) -> Result<Self, String> {
        let (known, mut read) = (Self::known(), Self::whole(text)?);
        let names = || known.by_name.keys().map(String::as_str);
        if let Some(other) = read.by_name.keys().find(|name| !known.by_name.contains_key(*name)) {
            let advice = nearest(other, names()).map_or_else(String::new, |name| format!("; did you mean {name}?"));
            return Err(format!("there is no price {other:?}{advice}"));
        }
        if read.region == known.region {
            for (name, price) in known.by_name {
                read.by_name.entry(name).or_insert(price);
            }
        } else if let Some(missing) = names().find(|name| !read.by_name.contains_key(*name)) {
            return Err(format!(
                "there is no price {missing:?}; a file for another Region than {} must have all of them",
                known.region
            ));
        }
        Ok(read)
    }

    /// Dollars for so many units a month.
    pub fn of(&self, name: &str, units: f64) -> f64 {
        self.by_name.get(name).expect("a whole table has every name that is asked for").of(units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: &str = "unit = \"GB\"\nsource = \"our contract\"\ndate = \"2026-11-01\"\n";

    fn tiered() -> impl Strategy<Value = Price> {
        let tiers = proptest::collection::vec((1.0..1e5, 0.0..10.0), 0..5);
        (0.0..10.0, tiers).prop_map(|(first, further)| {
            let mut above = 0.0;
            let mut tiers = vec![(0.0, first)];
            for (width, dollars) in further {
                above += width;
                tiers.push((above, dollars));
            }
            Price { unit: "GB".into(), tiers, source: "a test".into(), date: "today".into() }
        })
    }

    proptest! {
        #[test]
        fn more_never_costs_less_and_no_tier_makes_a_step(price in tiered(), units in 0.0..1e6, more in 0.0..1e5) {
            let (one, other) = (price.of(units), price.of(units + more));
            let dearest = price.tiers.iter().map(|tier| tier.1).fold(0.0, f64::max);
            prop_assert!(other >= one - 1e-6);
            prop_assert!(other - one <= more * dearest + 1e-6);
            for (above, _) in &price.tiers {
                prop_assert!((price.of(above + 1e-6) - price.of(*above)).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn tiers_are_paid_one_after_the_other() {
        let prices = Prices::known();
        assert_eq!(prices.of("logs_ingestion", 10_240.0), 5_120.0);
        assert_eq!(prices.of("logs_ingestion", 51_200.0 + 1.0), 5_120.0 + 5_120.0 + 2_048.0 + 0.05);
        assert_eq!(prices.of("firehose", 0.0), 0.0);
    }

    #[test]
    fn a_file_may_name_what_differs_and_for_another_region_must_name_everything() {
        let own = format!("region = \"us-east-1\"\n[firehose]\ntiers = [[0, 0.01]]\n{OWN}");
        let prices = Prices::read(&own).unwrap();
        assert_eq!((prices.of("firehose", 100.0), prices.of("logs_storage", 100.0)), (1.0, 3.0));
        let error = Prices::read(&own.replace("us-east-1", "eu-west-1")).unwrap_err();
        assert!(error.contains("must have all of them"), "{error}");
        assert!(Prices::read(&TABLE.replace("us-east-1", "eu-west-1")).is_ok());
    }

    #[test]
    fn a_file_that_makes_no_sense_is_refused_with_what_is_wrong() {
        for (tiers, said) in [
            ("[[1, 0.5]]", "the first tier"),
            ("[]", "the first tier"),
            ("[[0, 1], [5, 2], [5, 3]]", "ascending"),
            ("[[0, -1]]", "0 or above"),
            ("[[0, nan]]", "0 or above"),
            ("[[0, inf]]", "0 or above"),
        ] {
            let error =
                Prices::read(&format!("region = \"us-east-1\"\n[firehose]\ntiers = {tiers}\n{OWN}")).unwrap_err();
            assert!(error.contains("firehose") && error.contains(said), "{error}");
        }
        let misspelt = format!("region = \"us-east-1\"\n[firehoes]\ntiers = [[0, 1]]\n{OWN}");
        assert!(Prices::read(&misspelt).unwrap_err().contains("did you mean firehose?"));
        let no_source =
            "region = \"us-east-1\"\n[firehose]\ntiers = [[0, 1]]\nunit = \"GB\"\ndate = \"\"\nsource = \"x\"\n";
        assert!(Prices::read(no_source).unwrap_err().contains("source and date"));
        assert!(Prices::read("firehose = 3").is_err());
    }
}

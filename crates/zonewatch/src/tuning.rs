//! How much somebody wants to hear: the file `detect.tuning`, taken anew when it is replaced. `docs/findings.md` has an example.

use crate::config::rfc3339_ms;
use crate::nearest::nearest;
use crate::zone_name::zone_of;
use detect::finding::{Kind, Maintenance, Settings, ZoneSettings};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The file.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    false_findings_a_month: f64,
    muted_kinds: Vec<String>,
    zones: BTreeMap<String, Zone>,
    maintenance: Vec<Window>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Zone {
    false_findings_a_month: Option<f64>,
    muted: bool,
    muted_kinds: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    zone: Option<String>,
    start: String,
    end: String,
    /// For whoever reads the file.
    #[serde(rename = "reason")]
    _reason: Option<String>,
}

impl Default for File {
    fn default() -> Self {
        let false_findings_a_month = Settings::default().false_findings_a_month;
        Self { false_findings_a_month, muted_kinds: Vec::new(), zones: BTreeMap::new(), maintenance: Vec::new() }
    }
}

/// Reads the file; without one, the defaults.
pub fn load(path: Option<&Path>) -> Result<Settings, String> {
    let Some(path) = path else { return Ok(Settings::default()) };
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("read the tuning {name} (detect.tuning): {error}; name a file that can be read"))?;
    parse(&text).map_err(|what| format!("read the tuning {name} (detect.tuning): {what}"))
}

fn parse(text: &str) -> Result<Settings, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    let zones = file.zones.into_iter().map(|(zone, settings)| {
        let place = format!("zones.{zone}");
        Ok((zone_of(&zone), zone_settings(&settings, &place)?))
    });
    Ok(Settings {
        false_findings_a_month: budget(file.false_findings_a_month, "false_findings_a_month")?,
        muted_kinds: kinds(&file.muted_kinds, "muted_kinds")?,
        zones: zones.collect::<Result<_, String>>()?,
        maintenance: file.maintenance.iter().map(maintenance).collect::<Result<_, _>>()?,
    })
}

fn zone_settings(zone: &Zone, place: &str) -> Result<ZoneSettings, String> {
    let own = zone.false_findings_a_month.map(|own| budget(own, &format!("{place}.false_findings_a_month")));
    Ok(ZoneSettings {
        false_findings_a_month: own.transpose()?,
        muted: zone.muted,
        muted_kinds: kinds(&zone.muted_kinds, &format!("{place}.muted_kinds"))?,
    })
}

fn budget(number: f64, place: &str) -> Result<f64, String> {
    if number > 0.0 && number <= 1_000.0 {
        return Ok(number);
    }
    Err(format!(
        "{place} = {number}: must be a number above 0, 1,000 at most: false findings a zone and month of 30 days"
    ))
}

fn kinds(names: &[String], place: &str) -> Result<BTreeSet<Kind>, String> {
    let kind = |name: &String| {
        Kind::named(name).ok_or_else(|| {
            let all = Kind::ALL.map(Kind::as_str);
            let meant = nearest(name, all).map_or_else(|| all.join(", "), |near| format!("did you mean {near}?"));
            format!("{place}: unknown kind {name:?}; {meant}")
        })
    };
    names.iter().map(kind).collect()
}

fn maintenance(window: &Window) -> Result<Maintenance, String> {
    let time = |name: &str, text: &str| {
        let advice = "must be a time such as \"2026-01-31T06:00:00Z\" (RFC 3339), as text";
        rfc3339_ms(text).ok_or_else(|| format!("maintenance: {name} = {text:?}: {advice}"))
    };
    let (start_ms, end_ms) = (time("start", &window.start)?, time("end", &window.end)?);
    if end_ms <= start_ms {
        return Err(format!("maintenance: end = {:?}: must be after its start, {:?}", window.end, window.start));
    }
    Ok(Maintenance { zone: window.zone.as_deref().map(zone_of), start_ms, end_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_manual_is_read() {
        let docs = include_str!("../../../docs/findings.md");
        let (_, example) = docs.split_once("```toml\n").expect("the manual has an example");
        let settings = parse(example.split("```").next().unwrap_or_default()).expect("it is sound");
        assert_eq!((settings.false_findings_a_month, settings.muted_kinds), (0.5, [Kind::EdgeShift].into()));
        let quiet = &settings.zones["Z0123456789ABCDEFGHIJ"];
        assert!(quiet.muted && quiet.false_findings_a_month.is_none());
        let picky = &settings.zones["example.com"];
        assert_eq!((picky.false_findings_a_month, &picky.muted_kinds), (Some(4.0), &[Kind::NewNetwork].into()));
        let [all, one] = &settings.maintenance[..] else { panic!("two windows: {:?}", settings.maintenance) };
        assert_eq!((&all.zone, all.end_ms - all.start_ms), (&None, 2 * 3_600_000));
        assert_eq!(one.zone.as_deref(), Some("example.com"));
        assert_eq!(load(None), Ok(Settings::default()));
    }

    #[test]
    fn a_name_that_begins_like_an_id_is_a_name() {
        let settings = parse("[zones.\"Zoo.Example.com.\"]\nmuted = true").expect("it is sound");
        assert!(settings.zones["zoo.example.com"].muted, "{settings:?}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, parts) in [
            ("false_findings = 1", ["unknown field `false_findings`", "line 1"]),
            ("false_findings_a_month = 0", ["false_findings_a_month = 0: must be a number above 0", ""]),
            ("muted_kinds = ['tunel']", ["muted_kinds: unknown kind \"tunel\"", "did you mean tunnel?"]),
            ("[zones.a]\nmuted_kinds = ['x']", ["zones.a.muted_kinds: unknown kind \"x\"", "amplification, tunnel"]),
            ("[zones.a]\nfalse_findings_a_month = nan", ["zones.a.false_findings_a_month = NaN", ""]),
            ("[[maintenance]]\nstart = 'now'\nend = 'then'", ["start = \"now\": must be a time", ""]),
            (
                "[[maintenance]]\nstart = '2026-01-31T06:00:00Z'\nend = '2026-01-31T06:00:00Z'",
                ["must be after its start", ""],
            ),
        ] {
            let fault = parse(text).expect_err(text);
            assert!(parts.iter().all(|part| fault.contains(part)), "{text}: {fault}");
        }
        let missing = load(Some(Path::new("/nowhere.toml"))).expect_err("there is no such file");
        assert!(missing.starts_with("read the tuning /nowhere.toml (detect.tuning): "), "{missing}");
    }
}

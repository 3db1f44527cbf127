//! A zone in a list of zones: of this worker as it is, of others as their document says it.

use super::ZoneView;
use crate::config::rfc3339_ms;
use crate::printable::{printable, rounded};
use detect::baseline::Signal;
use dnslog::ResponseCode;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// How bad findings are, the worst first.
pub const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// A line of `/api/v1/zones`. All but `minutes` and findings is of its last minute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Brief {
    pub zone: String,
    pub zone_id: String,
    pub age_seconds: i64,
    pub queries_per_second: f64,
    pub response_codes: BTreeMap<String, u64>,
    pub nxdomain_share: f64,
    pub failure_share: f64,
    pub score: Option<f64>,
    pub signal: Option<String>,
    pub coverage: Option<f64>,
    /// Those that are open and not muted.
    pub findings: usize,
    pub severity: Option<&'static str>,
    pub minutes: Vec<(i64, u64)>,
}

impl Brief {
    /// Of a zone that is here.
    pub(super) fn of(view: &ZoneView) -> Self {
        let window = &view.seen.window;
        let codes = ResponseCode::ALL.iter().zip(window.codes).filter(|(_, count)| *count > 0);
        let scores =
            Signal::ALL.iter().zip(view.seen.scores).filter_map(|(signal, score)| Some((signal.as_str(), score?)));
        Self {
            zone: shown_name(&printable(&window.zone_name)),
            zone_id: printable(&window.zone_key),
            coverage: Some(rounded(window.coverage)),
            minutes: view.history.minutes().collect(),
            ..Self::new(
                1000.0 * window.queries as f64 / window.length_ms.max(1) as f64,
                codes.map(|(code, count)| (code.as_str().to_owned(), count)).collect(),
                scores.map(|(signal, score)| (signal, rounded(score))),
            )
        }
    }

    /// Of a zone in another's document; none if it is no such thing.
    pub fn read(zone: &Value, age_seconds: i64) -> Option<Self> {
        let window = &zone["window"];
        let scores = zone["scores"].as_object().into_iter().flatten();
        let codes = window["response_codes"].as_object().into_iter().flatten();
        let minute = |minute: &Value| Some((rfc3339_ms(minute[0].as_str()?)?, minute[1].as_u64()?));
        Some(Self {
            zone: shown_name(window["zone"].as_str()?),
            zone_id: window["zone_id"].as_str()?.to_owned(),
            age_seconds,
            coverage: window["coverage"].as_f64(),
            minutes: zone["minutes"].as_array().into_iter().flatten().filter_map(minute).collect(),
            ..Self::new(
                window["queries"].as_f64()? / window["window_seconds"].as_f64()?.max(1.0),
                codes.filter_map(|(code, count)| Some((code.clone(), count.as_u64()?))).collect(),
                scores.filter_map(|(signal, score)| Some((signal.as_str(), score.as_f64()?))),
            )
        })
    }

    /// What follows from a rate, counts and scores; the rest is nobody's and unknown.
    pub fn new<'a>(
        queries_per_second: f64,
        response_codes: BTreeMap<String, u64>,
        scores: impl Iterator<Item = (&'a str, f64)>,
    ) -> Self {
        let highest = scores.max_by(|left, right| left.1.total_cmp(&right.1));
        let [nxdomain_share, failure_share] = shares(&response_codes);
        Self {
            zone: String::new(),
            zone_id: String::new(),
            age_seconds: 0,
            queries_per_second: rounded(queries_per_second),
            response_codes,
            nxdomain_share,
            failure_share,
            score: highest.map(|(_, score)| score),
            signal: highest.map(|(signal, _)| signal.to_owned()),
            coverage: None,
            findings: 0,
            severity: None,
            minutes: Vec::new(),
        }
    }

    /// Takes in a finding of this zone.
    pub fn add_finding(&mut self, finding: &Value) {
        if finding["open"] != true || finding["muted"] == true {
            return;
        }
        self.findings += 1;
        let place = |severity: Option<&str>| {
            SEVERITIES.iter().position(|one| severity == Some(*one)).unwrap_or(SEVERITIES.len())
        };
        let worst = place(self.severity).min(place(finding["severity"].as_str()));
        self.severity = SEVERITIES.get(worst).copied();
    }
}

/// Zones that are counted together have no name.
fn shown_name(name: &str) -> String {
    if name.is_empty() { "other".to_owned() } else { name.to_owned() }
}

/// Of queries by response code: the share that was answered NXDOMAIN, and that of all failures, which it is not. 0 of none.
fn shares(response_codes: &BTreeMap<String, u64>) -> [f64; 2] {
    let of = |code: ResponseCode| response_codes.get(code.as_str()).copied().unwrap_or(0);
    let all: u64 = response_codes.values().sum();
    let failures = all - of(ResponseCode::NoError) - of(ResponseCode::NxDomain);
    [of(ResponseCode::NxDomain), failures].map(|part| rounded(part as f64 / all.max(1) as f64))
}

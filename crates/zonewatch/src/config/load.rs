//! Defaults, then the file, then the environment; every fault at once, each with where it stands and what is permitted.

use super::keys::{self, KEYS, Permitted};
use super::{Config, rules};
use crate::http::{TOKENS_VARIABLE, USERS_VARIABLE};
use crate::nearest::nearest;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use toml::{Table, Value};

/// What is wrong with a configuration, a line each.
#[derive(Debug, PartialEq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

/// Variables that begin like ours and are no configuration: our own tests', the command line's, and secrets.
const OTHER_VARIABLES: [&str; 6] =
    ["ZONEWATCH_BIN", "ZONEWATCH_TOOLS", "ZONEWATCH_SEEDS", "ZONEWATCH_CONFIG", TOKENS_VARIABLE, USERS_VARIABLE];
/// What stands here may be a secret by mistake, and is not repeated.
const UNSHOWN: [&str; 2] = ["http.token_file", "http.users_file"];
const PREFIX: &str = "ZONEWATCH_";

/// Reads and checks the configuration: defaults, then `file`, then `variables` (the environment).
pub fn load(file: Option<&Path>, variables: impl IntoIterator<Item = (String, String)>) -> Result<Config, Faults> {
    let mut loading = Loading {
        merged: Table::try_from(Config::default()).expect("the default configuration has only text keys"),
        origins: BTreeMap::new(),
        faults: Vec::new(),
    };
    if let Some(path) = file {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Faults(vec![format!("read the configuration {name}: {error}; name a file that can be read")])
        })?;
        loading.file(&name, &text);
    }
    let mut variables: Vec<(String, String)> =
        variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    for (name, text) in &variables {
        loading.variable(name, text);
    }
    loading.finish()
}

struct Loading {
    /// Every section and key, as far as it was read.
    merged: Table,
    /// Where a key that is not the default was set, for messages: `file:line: key = value`, `VARIABLE=value`.
    origins: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Loading {
    fn file(&mut self, file: &str, text: &str) {
        let spans = match toml::de::DeTable::parse(text) {
            Ok(spans) => spans,
            Err(error) => {
                let line = line_at(text, error.span().map_or(0, |span| span.start));
                self.faults.push(format!("{file}:{line}: this is not TOML: {}", error.message()));
                return;
            }
        };
        // Sound for the span parser, so sound here; the two share one grammar.
        let values: Table = text.parse().unwrap_or_default();
        for (section, content) in spans.get_ref() {
            let (section_line, section) = (line_at(text, section.span().start), section.get_ref().as_ref());
            let Some(content) = content.get_ref().as_table() else {
                let hint = hint(section, KEYS.iter().map(|key| key.name), "is its section missing");
                self.faults.push(format!("{file}:{section_line}: unknown key {section}; {hint}"));
                continue;
            };
            if !self.merged.contains_key(section) {
                let hint = hint(section, self.merged.keys().map(String::as_str), "there is no such section");
                self.faults.push(format!("{file}:{section_line}: unknown section [{section}]; {hint}"));
                continue;
            }
            for key in content.keys() {
                let name = format!("{section}.{}", key.get_ref());
                let place = format!("{file}:{}", line_at(text, key.span().start));
                let value = values[section][key.get_ref().as_ref()].clone();
                self.set(&name, value, &place, |value| format!("{name} = {value}"));
            }
        }
    }

    fn variable(&mut self, variable: &str, text: &str) {
        if variable.starts_with("ZONEWATCH_TEST_") || OTHER_VARIABLES.contains(&variable) || is_service_link(variable) {
            return;
        }
        let name = variable[PREFIX.len()..].to_ascii_lowercase().replacen("__", ".", 1);
        let Some(key) = keys::find(&name) else {
            let known: Vec<String> = KEYS.iter().map(|key| variable_of(key.name)).collect();
            let hint = hint(variable, known.iter().map(String::as_str), "there is no such key");
            self.faults.push(format!("environment: unknown key {variable}; {hint}"));
            return;
        };
        let value = value_of(key.permitted, text);
        self.set(&name, value, "environment", |_| format!("{variable}={text}"));
    }

    fn set(&mut self, name: &str, value: Value, place: &str, shown: impl Fn(&Value) -> String) {
        let Some(key) = keys::find(name) else {
            let hint = hint(name, KEYS.iter().map(|key| key.name), "there is no such key");
            self.faults.push(format!("{place}: unknown key {name}; {hint}"));
            return;
        };
        let shown = |value: &Value| if UNSHOWN.contains(&name) { name.to_owned() } else { shown(value) };
        if !key.permitted.allows(&value) {
            self.faults.push(format!("{place}: {}: must be {}", shown(&value), key.permitted));
            return;
        }
        let (section, field) = name.split_once('.').expect("every key of the table has a section");
        self.origins.insert(name.to_owned(), format!("{place}: {}", shown(&value)));
        self.merged[section].as_table_mut().expect("sections are tables").insert(field.to_owned(), value);
    }

    fn finish(mut self) -> Result<Config, Faults> {
        match self.merged.try_into::<Config>() {
            Ok(config) => {
                for (key, fault) in rules::faults(&config) {
                    let place = self.origins.get(key).cloned().unwrap_or_else(|| format!("{key} (not set)"));
                    self.faults.push(format!("{place}: {fault}"));
                }
                if self.faults.is_empty() { Ok(config) } else { Err(Faults(self.faults)) }
            }
            Err(error) => {
                self.faults.push(format!("configuration: {}", error.message()));
                Err(Faults(self.faults))
            }
        }
    }
}

/// A variable's text as the key wants it: lists comma-separated or as TOML, tables as TOML. What does not parse stays
/// text, and the check of the value says what is permitted.
fn value_of(permitted: Permitted, text: &str) -> Value {
    let toml = || format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let parsed = match permitted {
        Permitted::Whole(..) => text.parse().ok().map(Value::Integer),
        Permitted::Share => text.parse().ok().map(Value::Float),
        Permitted::Truth => text.parse().ok().map(Value::Boolean),
        Permitted::List(..) if text.trim_start().starts_with('[') => toml(),
        Permitted::List(..) => {
            let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
            Some(Value::Array(members.map(|member| Value::String(member.to_owned())).collect()))
        }
        Permitted::Texts => toml(),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The variable of a key.
pub fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replacen('.', "__", 1).to_ascii_uppercase())
}

fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    // A key without its section is nearest to the key of that name in any section.
    let known: Vec<&str> = known.into_iter().collect();
    let same_field = known.iter().find(|name| name.split_once('.').is_some_and(|(_, field)| field == word));
    match same_field.copied().or_else(|| nearest(word, known.iter().copied())) {
        Some(name) => format!("did you mean {name}"),
        None => otherwise.to_owned(),
    }
}

/// Kubernetes puts the addresses of a service named like us into every container: `ZONEWATCH_SERVICE_HOST`,
/// `ZONEWATCH_PORT_9464_TCP`. They are no configuration of ours.
fn is_service_link(variable: &str) -> bool {
    let port =
        variable.split("_PORT_").nth(1).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let service = variable.ends_with("_SERVICE_HOST") || variable.contains("_SERVICE_PORT");
    !variable.contains("__") && (port || service || variable.ends_with("_PORT"))
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Compression, StartPosition};

    fn from_text(text: &str) -> Result<Config, Vec<String>> {
        let mut loading = Loading {
            merged: Table::try_from(Config::default()).unwrap(),
            origins: BTreeMap::new(),
            faults: Vec::new(),
        };
        loading.file("z.toml", text);
        loading.finish().map_err(|faults| faults.0)
    }

    fn from_variables(variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let owned = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        load(None, owned).map_err(|faults| faults.0)
    }

    #[test]
    fn nothing_gives_the_defaults() {
        assert_eq!(from_variables(&[]), Ok(Config::default()));
        assert_eq!(from_text(""), Ok(Config::default()));
    }

    #[test]
    fn every_kind_of_value_comes_from_a_file() {
        let config = from_text(
            "[source]\nstream = 'logs'\nstart = 'LATEST'\n[records]\ncompression = 'gzip'\nsample = 0\ntypes = ['A']\n\
             [enrich.zones]\nZ1 = 'a.test'\n[quarantine]\nfile = 'q.ndjson'\n[http]\npeople = '[::1]:80'\n",
        )
        .unwrap();
        assert_eq!((config.source.stream.as_str(), config.source.start), ("logs", StartPosition::Latest));
        assert_eq!((config.records.compression, config.records.sample), (Compression::Gzip, 0.0));
        assert_eq!(config.enrich.zones["Z1"], "a.test");
        assert_eq!(config.quarantine.file.as_deref(), Some(Path::new("q.ndjson")));
        assert_eq!(config.http.people, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn every_kind_of_value_comes_from_the_environment_which_wins() {
        let config = from_variables(&[
            ("ZONEWATCH_SOURCE__STREAM", "logs"),
            ("ZONEWATCH_SOURCE__POLL_MS", "250"),
            ("ZONEWATCH_RECORDS__SAMPLE", "0.5"),
            ("ZONEWATCH_LEASES__CREATE", "false"),
            ("ZONEWATCH_RECORDS__TYPES", "A, AAAA"),
            ("ZONEWATCH_RECORDS__ZONES", "['a.test']"),
            ("ZONEWATCH_ENRICH__ZONES", "{ Z1 = 'a.test' }"),
            ("ZONEWATCH_WORKER__ID", "007"),
        ])
        .unwrap();
        assert_eq!((config.source.stream.as_str(), config.source.poll_ms), ("logs", 250));
        assert_eq!((config.records.sample, config.leases.create), (0.5, false));
        assert_eq!(config.records.types, ["A", "AAAA"]);
        assert_eq!(config.records.zones, ["a.test"]);
        assert_eq!(config.enrich.zones["Z1"], "a.test");
        assert_eq!(config.worker.id, "007");
        let faults = from_variables(&[("ZONEWATCH_ENRICH__ZONES", "Z1=a.test")]).unwrap_err();
        assert!(faults[0].ends_with("in a variable { Z1 = \"example.com\" }"), "{faults:?}");
    }

    #[test]
    fn variables_that_are_none_of_the_configurations_are_left_alone() {
        let others = ["BIN", "TOOLS", "SEEDS", "CONFIG", "TEST_X", "SERVICE_HOST", "SERVICE_PORT_WEB", "PORT"];
        let mut variables: Vec<(String, String)> =
            others.iter().map(|name| (format!("ZONEWATCH_{name}"), "x".to_owned())).collect();
        variables.push(("ZONEWATCH_PORT_9464_TCP_ADDR".into(), "10.0.0.1".into()));
        variables.push(("PATH".into(), "/bin".into()));
        assert_eq!(load(None, variables), Ok(Config::default()));
    }

    #[test]
    fn faults_say_where_what_and_what_is_permitted() {
        for (text, fault) in [
            ("\n[source]\nstrem = 'x'", "z.toml:3: unknown key source.strem; did you mean source.stream"),
            ("[sauce]\nstream = 'x'", "z.toml:1: unknown section [sauce]; did you mean source"),
            ("stream = 'x'", "z.toml:1: unknown key stream; did you mean source.stream"),
            (
                "[source]\nqqqqqqqqqqqqqqqqqqqqqqq = 1",
                "z.toml:2: unknown key source.qqqqqqqqqqqqqqqqqqqqqqq; there is no such key",
            ),
            (
                "[source]\npoll_ms = 'fast'",
                "z.toml:2: source.poll_ms = \"fast\": must be a whole number from 200 to 60000 (milliseconds)",
            ),
            (
                "[source]\npoll_ms = 50",
                "z.toml:2: source.poll_ms = 50: must be a whole number from 200 to 60000 (milliseconds)",
            ),
            (
                "[records]\nschema = 'ECS'",
                "z.toml:2: records.schema = \"ECS\": must be one of \"ecs\", \"ocsf\", \"lean\"",
            ),
            (
                "[source]\nstart = 'AT_TIMESTAMP'",
                "source.start_at (not set): is needed for source.start = \"AT_TIMESTAMP\": the time to start at",
            ),
        ] {
            assert_eq!(from_text(text), Err(vec![fault.to_owned()]), "{text}");
        }
        let together = from_text("[source]\n\npoll_ms = 1500\nidle_poll_ms = 1000").unwrap_err();
        assert!(together[0].starts_with("z.toml:4: source.idle_poll_ms = 1000: must be at least"), "{together:?}");
        let broken = from_text("[source]\nstream = ").unwrap_err();
        assert!(broken.len() == 1 && broken[0].starts_with("z.toml:2: this is not TOML: "), "{broken:?}");
        for (variable, text, fault) in [
            (
                "ZONEWATCH_SOURCE__STREEM",
                "x",
                "environment: unknown key ZONEWATCH_SOURCE__STREEM; did you mean ZONEWATCH_SOURCE__STREAM",
            ),
            (
                "ZONEWATCH_SOURCE_STREAM",
                "x",
                "environment: unknown key ZONEWATCH_SOURCE_STREAM; did you mean ZONEWATCH_SOURCE__STREAM",
            ),
            (
                "ZONEWATCH_RECORDS__SAMPLE",
                "half",
                "environment: ZONEWATCH_RECORDS__SAMPLE=half: must be a number from 0 to 1",
            ),
        ] {
            assert_eq!(from_variables(&[(variable, text)]), Err(vec![fault.to_owned()]));
        }
    }

    #[test]
    fn a_secret_at_the_wrong_place_is_not_repeated() {
        let (secret, variable) = ("correct-horse-battery-staple", "ZONEWATCH_HTTP__TOKEN");
        let text = format!("[http]\ntoken = '{secret}'\nusers = ['{secret}']\ntoken_file = ['{secret}']");
        let faults = from_text(&text).unwrap_err();
        assert!(faults.len() == 3 && faults[0].contains("unknown key http.token; did you mean"), "{faults:?}");
        let faults = [faults, from_variables(&[(variable, secret), ("ZONEWATCH_HTTP_TOKEN", secret)]).unwrap_err()];
        assert!(faults[1].len() == 2 && !format!("{faults:?}").contains(secret), "{faults:?}");
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let faults = from_text("[source]\nstrem = 'x'\npoll_ms = 1\n[log]\nformat = 'xml'").unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}

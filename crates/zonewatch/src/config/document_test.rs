//! The documented configuration, `deploy/zonewatch.toml`, against the configuration itself.

use super::Config;
use super::keys::KEYS;
use super::load::{load, variable_of};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/zonewatch.toml")
}

/// `section.key` and the comment above it, for every key that the document sets or shows commented out.
fn documented() -> Vec<(String, String)> {
    let (mut section, mut comment, mut found) = (String::new(), String::new(), Vec::new());
    for line in std::fs::read_to_string(path()).unwrap().lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            // A table of the user's own entries is a key whose value is a section.
            if section.contains('.') {
                found.push((section.clone(), std::mem::take(&mut comment)));
            }
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text.trim_start_matches(' '));
            comment.push('\n');
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.push((format!("{section}.{key}"), std::mem::take(&mut comment)));
        } else {
            comment.clear();
        }
    }
    found
}

fn keys_of_the_config() -> BTreeSet<String> {
    let sections = toml::Table::try_from(Config::default()).unwrap();
    let keys = |(section, content): (&String, &toml::Value)| -> Vec<String> {
        content.as_table().unwrap().keys().map(|key| format!("{section}.{key}")).collect()
    };
    sections.iter().flat_map(keys).collect()
}

#[test]
fn the_table_of_keys_is_the_configurations() {
    assert_eq!(KEYS.iter().map(|key| key.name.to_owned()).collect::<BTreeSet<_>>(), keys_of_the_config());
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    for key in KEYS {
        let (section, field) = key.name.split_once('.').unwrap();
        assert!(key.permitted.allows(&defaults[section][field]), "the default of {} is not permitted", key.name);
    }
}

#[test]
fn the_document_has_every_key_once_with_its_default() {
    let names: Vec<String> = documented().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().cloned().collect::<BTreeSet<_>>(), keys_of_the_config());
    assert_eq!(names.len(), KEYS.len(), "a key stands twice");
    assert_eq!(load(Some(&path()), []), Ok(Config::default()));
}

#[test]
fn every_key_has_a_comment_that_says_when_to_change_it_and_in_which_unit() {
    for (name, comment) in documented() {
        assert!(comment.contains("Change"), "{name}: the comment must say when to change it:\n{comment}");
        let units = [("_ms", "illisecond"), ("_secs", "econds"), ("_bytes_max", "ytes")];
        for (end, unit) in units.iter().filter(|(end, _)| name.ends_with(end)) {
            assert!(comment.contains(unit), "{name} ends with {end}: the comment must say {unit}");
        }
    }
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    assert_eq!(variable_of("source.poll_ms"), "ZONEWATCH_SOURCE__POLL_MS");
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    for key in KEYS {
        let (section, field) = key.name.split_once('.').unwrap();
        let value = &defaults[section][field];
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(load(None, [(variable_of(key.name), text)]), Ok(Config::default()), "{}", key.name);
    }
}

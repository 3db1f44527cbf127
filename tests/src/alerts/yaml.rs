//! YAML as JSON's values, and ways into them.

use serde_json::Value;

/// Reads a file's text; what is wrong with it. A key that stands twice is an error, as it is for Prometheus.
pub fn read(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// The text under a key.
pub fn text<'a>(node: &'a Value, key: &str) -> Option<&'a str> {
    node[key].as_str()
}

/// The items of the list under a key; none if there is no list.
pub fn list<'a>(node: &'a Value, key: &str) -> &'a [Value] {
    node[key].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_are_read_and_a_key_twice_is_none() {
        let rules = "groups:\n  - name: a # why\n    expr: >-\n      sum(a)\n        > 1\n    for: ['1m']\n";
        let read_rules = read(rules).expect("it is sound");
        assert_eq!(read_rules, json!({ "groups": [{ "name": "a", "expr": "sum(a)\n  > 1", "for": ["1m"] }] }));
        let group = &list(&read_rules, "groups")[0];
        assert_eq!((text(group, "name"), text(group, "for"), list(group, "name")), (Some("a"), None, &[][..]));
        for file in ["a: 1\na: 2\n", "a: \"b\n", "a: *b\n"] {
            assert!(read(file).is_err(), "{file}");
        }
    }
}

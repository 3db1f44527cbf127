//! The mapping in `deploy/opensearch` has every field of every record with a type that fits, and nothing that no record has;
//! the dashboards use only fields that are there and can be counted.

mod records;

use dnslog::schema::Schema;
use records::records;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests stands one folder below the root").to_path_buf()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

fn file(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// Every mapped field that holds a value, by its path.
fn mapped() -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    let mappings = file("deploy/opensearch/mappings.json");
    collect("", mappings["template"]["mappings"]["properties"].as_object().expect("properties"), &mut fields);
    fields
}

fn collect(above: &str, properties: &Map<String, Value>, fields: &mut BTreeMap<String, Value>) {
    for (name, field) in properties {
        let path = format!("{above}{name}");
        match field["properties"].as_object() {
            Some(inner) => collect(&format!("{path}."), inner, fields),
            None => assert!(fields.insert(path.clone(), field.clone()).is_none(), "{path} is mapped twice"),
        }
    }
}

fn ecs_records() -> Vec<Value> {
    let lines = String::from_utf8(records(Schema::Ecs, true)).expect("records are UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
}

/// What is wrong with a record under a mapping, and the fields that it has.
fn misfits(fields: &BTreeMap<String, Value>, record: &Value) -> (Vec<String>, BTreeSet<String>) {
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    visit("", record, fields, &mut wrong, &mut seen);
    (wrong, seen)
}

fn visit(
    path: &str,
    value: &Value,
    fields: &BTreeMap<String, Value>,
    wrong: &mut Vec<String>,
    seen: &mut BTreeSet<String>,
) {
    if let Some(field) = fields.get(path) {
        seen.insert(path.to_owned());
        let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        wrong.extend(items.iter().filter(|item| !fits(field, item)).map(|item| format!("{path} {field} {item}")));
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                visit(&below, member, fields, wrong, seen);
            }
        }
        // Objects of a list are searched as one: their fields are mapped by the list's path.
        Value::Array(items) if items.iter().all(Value::is_object) => {
            items.iter().for_each(|item| visit(path, item, fields, wrong, seen));
        }
        _ => wrong.push(format!("{path} is not mapped")),
    }
}

/// Whether an engine indexes a value under a mapping, and whole.
fn fits(field: &Value, value: &Value) -> bool {
    let whole = |least: i64, most: i64| value.as_i64().is_some_and(|value| (least..=most).contains(&value));
    match field["type"].as_str().expect("a field has a type") {
        "keyword" => {
            let most = field["ignore_above"].as_u64().unwrap_or(u64::MAX);
            value.as_str().is_some_and(|text| text.chars().count() as u64 <= most)
        }
        "ip" => value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        "date" => value.as_str().is_some_and(is_instant),
        "long" => whole(i64::MIN, i64::MAX),
        "integer" => whole(i64::from(i32::MIN), i64::from(i32::MAX)),
        "float" => value.is_number(),
        "geo_point" => {
            let within = |name: &str, most: f64| value[name].as_f64().is_some_and(|degrees| degrees.abs() <= most);
            value.as_object().is_some_and(|members| members.len() == 2) && within("lat", 90.0) && within("lon", 180.0)
        }
        other => panic!("a mapping of the type {other}, which this test does not know"),
    }
}

/// `2024-05-05T08:34:56.130Z`, which is what engines read without being told a format.
fn is_instant(text: &str) -> bool {
    let shape: String =
        text.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

#[test]
fn every_field_of_every_record_is_mapped_with_a_type_that_fits() {
    let fields = mapped();
    let mut forms = BTreeSet::new();
    for record in ecs_records() {
        assert_eq!(misfits(&fields, &record).0, Vec::<String>::new(), "{record:#}");
        forms.insert(record["zonewatch"]["form"].as_str().expect("a record says its form").to_owned());
    }
    let all = ["global_resolver", "public_json", "public_line", "resolver"].map(str::to_owned);
    assert_eq!(forms, BTreeSet::from(all));
}

#[test]
fn every_mapped_field_is_in_some_record_and_in_the_documentation() {
    let fields = mapped();
    let mut seen = BTreeSet::new();
    for record in ecs_records() {
        seen.extend(misfits(&fields, &record).1);
    }
    let unseen: Vec<&String> = fields.keys().filter(|path| !seen.contains(*path)).collect();
    assert!(unseen.is_empty(), "mapped and in no record: {unseen:?}");

    let documents = text("docs/records.md");
    let (_, ecs) = documents.split_once("\n## ecs\n").expect("a section ecs");
    let (ecs, _) = ecs.split_once("\n## ").expect("a section behind it");
    let told = ecs.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(path, _)| path));
    // A point is told by its coordinates.
    let told: BTreeSet<String> =
        told.map(|path| path.trim_end_matches(".lat").trim_end_matches(".lon").to_owned()).collect();
    assert_eq!(told, fields.keys().cloned().collect());
}

#[test]
fn a_field_without_a_mapping_or_of_another_type_is_seen() {
    let fields = mapped();
    let record = &ecs_records()[1];
    for (path, value) in [
        ("/dns/rcode", json!("NOERROR")),
        ("/source/ip", json!("198.51.100.0/24")),
        ("/source/port", json!("53")),
        ("/@timestamp", json!("yesterday")),
        ("/zonewatch/name/entropy", json!("2.5")),
        ("/observer/geo/location", json!({"lat": 91.0, "lon": 0.0})),
        ("/dns/question/name", json!("a".repeat(1025))),
    ] {
        let mut record = record.clone();
        let (above, name) = path.rsplit_once('/').expect("a path");
        let members = record.pointer_mut(above).and_then(Value::as_object_mut).expect("an object");
        members.insert(name.to_owned(), value);
        assert_eq!(misfits(&fields, &record).0.len(), 1, "{path}");
    }
}

#[test]
fn templates_name_the_mapping_and_policies_the_indices() {
    for engine in ["opensearch", "elasticsearch"] {
        let template = file(&format!("deploy/opensearch/{engine}/index-template.json"));
        assert_eq!(template["composed_of"], json!(["zonewatch-records"]));
        assert_eq!(template["index_patterns"], json!(["zonewatch-records", "zonewatch-records-*"]));
        assert_eq!(template["template"]["settings"]["index"]["sort.field"], "@timestamp");
    }
    let ism = file("deploy/opensearch/opensearch/policy.json");
    assert_eq!(ism["policy"]["ism_template"][0]["index_patterns"], json!(["zonewatch-records-*"]));
    let states = ism["policy"]["states"].as_array().expect("states");
    let names: BTreeSet<&str> = states.iter().filter_map(|state| state["name"].as_str()).collect();
    assert!(ism["policy"]["default_state"].as_str().is_some_and(|name| names.contains(name)));
    for state in states {
        for transition in state["transitions"].as_array().expect("transitions") {
            assert!(names.contains(transition["state_name"].as_str().expect("a name")), "{transition}");
        }
    }
    let ilm = file("deploy/opensearch/elasticsearch/index-template.json");
    assert_eq!(ilm["template"]["settings"]["index"]["lifecycle.name"], "zonewatch-records");
    // Both engines keep and settle alike.
    let phases = file("deploy/opensearch/elasticsearch/policy.json")["policy"]["phases"].clone();
    let age = |index: usize| states[index]["transitions"][0]["conditions"]["min_index_age"].clone();
    assert_eq!([age(0), age(1)], [phases["warm"]["min_age"].clone(), phases["delete"]["min_age"].clone()]);
}

/// The saved objects.
fn saved() -> Vec<Value> {
    let lines = text("deploy/opensearch/dashboards.ndjson");
    lines.lines().map(|line| serde_json::from_str(line).expect("a saved object is JSON")).collect()
}

fn inner(object: &Value, member: &str) -> Value {
    let text = object["attributes"][member].as_str().unwrap_or_else(|| panic!("{}: {member}", object["id"]));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{}: {member}: {error}", object["id"]))
}

#[test]
fn saved_objects_refer_to_what_is_saved_with_them() {
    let saved = saved();
    let key = |object: &Value| (object["type"].to_string(), object["id"].to_string());
    let known: BTreeSet<(String, String)> = saved.iter().map(key).collect();
    assert_eq!(known.len(), saved.len(), "an object is saved twice");
    let mut used = BTreeSet::new();
    for object in &saved {
        for reference in object["references"].as_array().expect("references") {
            assert!(known.contains(&key(reference)), "{reference}");
            used.insert(key(reference));
        }
    }
    for object in saved.iter().filter(|object| object["type"] == "dashboard") {
        let panels = inner(object, "panelsJSON");
        let names = |list: &Value, member: &str| -> BTreeSet<String> {
            list.as_array().expect("a list").iter().map(|item| item[member].to_string()).collect()
        };
        assert_eq!(names(&panels, "panelRefName"), names(&object["references"], "name"), "{}", object["id"]);
    }
    let shown = saved.iter().filter(|object| object["type"] != "dashboard");
    let unused: Vec<_> = shown.map(key).filter(|key| !used.contains(key)).collect();
    assert!(unused.is_empty(), "on no dashboard: {unused:?}");
}

#[test]
fn charts_use_fields_that_are_mapped_and_can_be_counted() {
    let fields = mapped();
    let countable = |path: &str, wanted: &[&str]| {
        let field = fields.get(path).unwrap_or_else(|| panic!("{path} is not mapped"));
        assert!(field["doc_values"] != json!(false), "{path} is only kept");
        let kind = field["type"].as_str().expect("a field has a type");
        assert!(wanted.contains(&kind), "{path} is a {kind}, and a chart wants {wanted:?}");
    };
    let mut charts = 0;
    for object in saved() {
        let queried = object["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"].as_str();
        let query: Value = queried.map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"));
        if let Some((path, _)) = query["query"]["query"].as_str().and_then(|query| query.split_once(" : ")) {
            countable(path.trim_start_matches("not "), &["keyword", "ip"]);
        }
        for column in object["attributes"]["columns"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(column.as_str().expect("a name")), "{column}");
        }
        if object["type"] != "visualization" {
            continue;
        }
        charts += 1;
        for aggregation in inner(&object, "visState")["aggs"].as_array().expect("aggregations") {
            let wanted: &[&str] = match aggregation["type"].as_str().expect("a type") {
                "count" => continue,
                "terms" | "cardinality" => &["keyword", "ip", "long", "integer"],
                "max" => &["long", "integer", "float"],
                "date_histogram" => &["date"],
                other => panic!("an aggregation {other}, which this test does not know"),
            };
            countable(aggregation["params"]["field"].as_str().expect("a field"), wanted);
        }
    }
    assert!(charts > 10, "{charts} charts");
}

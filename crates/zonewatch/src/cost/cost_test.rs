//! The bill: sums, and what more queries do to it; and that it is the deployment's.

use super::*;
use proptest::prelude::*;

const SCHEMAS: [Schema; 3] = [Schema::Ecs, Schema::Ocsf, Schema::Lean];

fn wanted(queries_per_day: f64, zones: f64, schema: usize) -> Wanted {
    Wanted { queries_per_day, zones, schema: SCHEMAS[schema] }
}

proptest! {
    #[test]
    fn more_queries_never_cost_less(exponent in 2.0..10.0_f64, more in 1.0..3.0, zones in 1.0..1_000.0_f64, schema in 0..3_usize) {
        let (prices, queries, zones) = (Prices::known(), 10_f64.powf(exponent), zones.floor());
        let one = bill(wanted(queries, zones, schema), &prices).unwrap();
        // A fleet has its limits, which more queries may reach.
        if let Ok(other) = bill(wanted(queries * more, zones, schema), &prices) {
            prop_assert!(other.dollars() >= one.dollars() - 1e-6, "{one:?}\n{other:?}");
        }
    }

    #[test]
    fn every_item_is_paid_for_and_the_sum_is_theirs(exponent in 2.0..10.0_f64, zones in 1.0..1_000.0_f64, schema in 0..3_usize) {
        let bill = bill(wanted(10_f64.powf(exponent), zones.floor(), schema), &Prices::known()).unwrap();
        prop_assert!(bill.items.iter().all(|item| item.dollars > 0.0 && item.amount > 0.0), "{bill:?}");
        let sum: f64 = bill.items.iter().map(|item| item.dollars).sum();
        prop_assert!((bill.dollars() - sum).abs() < 1e-9);
    }

    #[test]
    fn weights_go_without_a_step_and_their_totals_only_up(exponent in -3.0..4.0_f64, more in 1.0..2.0) {
        let rate = 10_f64.powf(exponent);
        let (one, near, other) = (Weight::at(rate), Weight::at(rate * (1.0 + 1e-9)), Weight::at(rate * more));
        let of: [fn(&Weight) -> f64; 6] = [
            |weight| weight.records, |weight| weight.bytes, |weight| weight.kibibytes,
            |weight| weight.put_units, |weight| weight.digest_bytes, |weight| weight.window_bytes,
        ];
        for of in of {
            prop_assert!((of(&near) / of(&one) - 1.0).abs() < 1e-6);
            prop_assert!(of(&other) * more >= of(&one) * (1.0 - 1e-9));
        }
    }
}

#[test]
fn the_cheaper_mode_of_the_source_stream_is_taken() {
    let prices = Prices::known();
    for (queries, schema) in [(1e3, 0), (1e6, 0), (1e8, 2), (1e10, 2)] {
        let bill = bill(wanted(queries, 10.0, schema), &prices).unwrap();
        let flow = Flow::of(wanted(queries, 10.0, schema), &prices).unwrap();
        let source = bill.items.iter().find(|item| item.what.contains("source stream")).unwrap();
        assert_eq!(source.dollars, flow.on_demand(&prices).min(flow.provisioned(&prices)));
    }
}

#[test]
fn a_fleet_that_would_need_more_rollup_shards_than_key_groups_is_not_priced() {
    let error = bill(wanted(1e12, 1_000.0, 2), &Prices::known()).unwrap_err();
    assert!(error.contains("16 key groups"), "{error}");
}

#[test]
fn histories_are_kept_and_put_as_often_as_their_size_allows() {
    // Ten zones: 0.45 MB each minute, for three days. A shard's 2,500: ten objects of 112.5 MB together, each 429 s.
    for (zones, shards, histories, puts) in
        [(10.0, 1.0, 0.45e6 * 4_321.0, 1.0 / 60.0), (1e4, 4.0, 4.0 * 112.5e6 * 604.98, 4.0 * 10.0 / 429.15)]
    {
        let wanted = wanted(1e6, zones, 0);
        let [stored, thousands] = objects(wanted, shards);
        let snapshot = zones / shards * measured::SNAPSHOT_BYTES;
        let every = (snapshot / measured::SNAPSHOT_BYTES_A_SECOND).max(60.0);
        let others = snapshot * (1.0 + 259_200.0 / every) + zones / shards * measured::VIEW_BYTES * 25_921.0;
        assert!(((stored * GIB - shards * others) / histories - 1.0).abs() < 1e-3, "{zones}: {stored}");
        let other_puts = shards * (1.0 / every + 0.1);
        assert!(((thousands * 1e3 / MONTH_SECS - other_puts) / puts - 1.0).abs() < 1e-3, "{zones}: {thousands}");
    }
}

#[test]
fn what_is_put_and_how_often_is_as_the_code_has_it() {
    let read = |file: &str| std::fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let stated = format!("const ZONES_A_PART: usize = {};", measured::HISTORY_ZONES);
    assert!(read("zone_views/document.rs").contains(&stated), "{stated}");
    let stated = format!("const HISTORY_BYTES_A_SECOND: usize = {} << 10;", measured::HISTORY_BYTES_A_SECOND / 1_024.0);
    assert!(read("fleet_views.rs").contains(&stated), "{stated}");
    let stated = format!("const PERIOD: Duration = Duration::from_secs({});", measured::VIEW_SECS);
    assert!(read("fleet_views.rs").contains(&stated), "{stated}");
}

#[test]
fn the_deployment_is_terraforms_with_its_defaults() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/terraform");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let default = |file: &str, name: &str| {
        let text = read(file);
        let variable =
            text.split(&format!("variable \"{name}\" {{")).nth(1).unwrap_or_else(|| panic!("{file}: {name}"));
        let value = variable.split("default ").nth(1).and_then(|rest| rest.split('=').nth(1)).unwrap();
        value.lines().next().unwrap().trim().to_owned()
    };
    for (name, stated) in [
        ("query_log_retention_days", deployed::LOG_DAYS),
        ("archive_days", deployed::ARCHIVE_DAYS),
        ("rollup_retention_hours", deployed::ROLLUP_HOURS),
        ("workers_min", deployed::WORKERS_MIN),
        ("cpu", deployed::CPUS * 1_024.0),
        ("memory_mib", deployed::MEMORY * 1_024.0),
    ] {
        assert_eq!(default("variables.tf", name), stated.to_string(), "{name}");
    }
    assert_eq!(default("modules/state/variables.tf", "snapshot_version_days"), deployed::VERSION_DAYS.to_string());
    assert_eq!(default("modules/network/variables.tf", "zones"), deployed::ZONES.to_string());
    let endpoints = default("variables.tf", "interface_endpoints");
    assert_eq!(endpoints.split(',').count(), deployed::ENDPOINTS as usize, "{endpoints}");
    assert_eq!(default("variables.tf", "nat_gateways"), "\"none\"");
    let windows = "windows  = { kind = \"windows\", seconds = 300, mebibytes = 64 }";
    assert!(read("modules/delivery/main.tf").contains(windows));
}

#[test]
fn coordination_is_as_the_table_of_the_simulation_has_it() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let mut rows = 0;
    for line in readme.lines() {
        let cells: Vec<f64> = line.split('|').filter_map(|cell| cell.trim().replace(',', "").parse().ok()).collect();
        // Shards, requests, read units, write units, dollars, and the other library's five.
        let [shards, _, reads, writes, _, _, _, library, _] = cells[..] else { continue };
        let near = |found: f64, stated: f64, part: f64| assert!((found / stated - 1.0).abs() < part, "{found}: {line}");
        near(10.0 * measured::WRITES_A_WORKER + shards * measured::WRITES_A_SHARD, writes * shards, 0.02);
        near(10.0 * measured::READS_A_WORKER + shards * measured::READS_A_SHARD, reads * shards, 0.06);
        if shards >= 1_000.0 {
            near(measured::KCL_WRITES_A_SHARD, library, 0.01);
        }
        rows += 1;
    }
    assert_eq!(rows, 4, "shards, from 1 to 1,000, in README");
}

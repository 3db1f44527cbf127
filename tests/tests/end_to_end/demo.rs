//! `zonewatch demo`: the pipeline without AWS, seen from a browser and a scraper.

use std::time::Duration;
use zonewatch_tests::emulators::wait_for;
use zonewatch_tests::http;
use zonewatch_tests::listeners::outside_loopback;
use zonewatch_tests::program::{Folder, Process, zonewatch};

const PATIENCE: Duration = Duration::from_secs(60);

/// The addresses that the demo prints.
fn addresses(said: &str) -> Vec<String> {
    let parts = said.split("http://").skip(1);
    let until =
        |part: &str| part.find(|letter: char| !letter.is_ascii_digit() && !".:".contains(letter)).unwrap_or(part.len());
    parts.map(|part| format!("http://{}", part[..until(part)].trim_end_matches(['.', ':']))).collect()
}

#[test]
fn the_demo_shows_itself_on_loopback_only() {
    let folder = Folder::create();
    let arguments = ["demo", "--port", "0", "--metrics-port", "0", "--speed", "600"];
    let mut demo = Process::start(&mut zonewatch(&arguments), &folder.file("log"));
    let page_of = |path: &str| {
        wait_for(path, PATIENCE, || {
            let found = addresses(&demo.said());
            found
                .iter()
                .find_map(|address| http::get(&format!("{address}{path}")).ok().filter(|answer| answer.status == 200))
        })
        .text()
    };

    assert!(page_of("/").contains("<html"), "the page is HTML");
    assert!(page_of("/healthz").len() < 1000);
    page_of("/readyz");
    let queries = || {
        let page = page_of("/metrics");
        let counted = page.lines().filter(|line| line.starts_with("zonewatch_queries_total{"));
        counted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    wait_for("queries counted", PATIENCE, || (queries() > 1000.0).then_some(()));
    let before = queries();
    wait_for("more queries counted", PATIENCE, || (queries() > before).then_some(()));

    assert_eq!(outside_loopback(demo.id()), Vec::<String>::new());
    demo.must_live();
    demo.terminate();
    assert!(demo.ended(Duration::from_secs(10)).success(), "{}", demo.said());
}

#[test]
fn addresses_are_found_in_a_sentence() {
    assert_eq!(
        addresses("open http://127.0.0.1:9465/, then http://127.0.0.1:9464/metrics."),
        ["http://127.0.0.1:9465", "http://127.0.0.1:9464"]
    );
}

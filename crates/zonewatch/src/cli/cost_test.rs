//! What `zonewatch cost` prints, and that `docs/cost.md` shows just that.

use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn printed(arguments: &str) -> String {
    let words = std::iter::once("cost").chain(arguments.split_whitespace());
    let args = Command::try_parse_from(words).expect("the arguments are sound").args;
    if args.print_prices {
        return TABLE.to_owned();
    }
    let wanted = Wanted {
        queries_per_day: args.queries_per_day.unwrap(),
        zones: args.zones.unwrap().into(),
        schema: args.schema,
    };
    let prices = prices(args.prices.as_deref(), &args.region).unwrap();
    table(wanted, &prices, &bill(wanted, &prices).unwrap(), &alternatives(wanted, &prices).unwrap())
}

#[test]
fn the_document_shows_what_the_command_prints() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cost.md")).unwrap();
    let mut shown = 0;
    for block in document.split("```console\n$ zonewatch cost ").skip(1) {
        let (arguments, rest) = block.split_once('\n').unwrap();
        let printed = printed(arguments);
        assert!(
            rest.starts_with(&format!("{printed}```\n")),
            "docs/cost.md must show:\n$ zonewatch cost {arguments}\n{printed}"
        );
        shown += 1;
    }
    assert_eq!(shown, 5, "three rates, a schema and the prices");
}

#[test]
fn numbers_of_queries_are_read_as_people_write_them() {
    assert_eq!(["250000", "1k", "100M", "1.5G"].map(queries), [Ok(250e3), Ok(1e3), Ok(100e6), Ok(1.5e9)]);
    for text in ["", "M", "0", "-1", "1T", "nan", "inf", "1e99"] {
        assert!(queries(text).is_err(), "{text}");
    }
}

#[test]
fn dollars_are_grouped_and_never_shown_as_nothing() {
    assert_eq!(
        [0.0012, 0.005, 1.995, 999.999, 1_234_567.891].map(cents),
        ["0.0012", "0.01", "2.00", "1,000.00", "1,234,567.89"]
    );
}

#[test]
fn prices_of_another_region_must_be_given() {
    let error = prices(None, "eu-west-1").unwrap_err();
    assert!(error.message.contains("--prices") && error.code == 2, "{error:?}");
}

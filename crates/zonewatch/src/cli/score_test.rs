//! What comes out of a table, and what is said of one that can't be used.

use super::*;

fn scored(table: &str, kind: Kind) -> Result<String, String> {
    let mut out = Vec::new();
    match score("a.csv", &mut table.as_bytes(), kind, &mut out) {
        Ok(()) => Ok(String::from_utf8(out).expect("text")),
        Err(Stop::Input(message)) => Err(message),
        Err(Stop::Write(error)) => Err(error.to_string()),
    }
}

/// Rows of a minute with this value, and another in the last.
fn table(rows: i64, usual: f64, last: f64) -> String {
    let start_s = 1_767_571_200;
    let row = |row: i64| {
        let value = if row == rows - 1 { last } else { usual + (row * row % 7) as f64 };
        format!("{},{value}\n", start_s + 60 * row)
    };
    format!("timestamp,value\n{}", (0..rows).map(row).collect::<String>())
}

#[test]
fn every_row_comes_out_with_a_score_and_the_odd_one_has_the_highest() {
    let text = scored(&table(4000, 100.0, 900.0), Kind::Value).expect("a sound table");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[1]), (4001, "timestamp,value,anomaly_score", "1767571200,100,0.000000"));
    let score = |line: &&str| line.rsplit(',').next().and_then(|score| score.parse::<f64>().ok()).expect("a score");
    let scores: Vec<f64> = lines[1..].iter().map(score).collect();
    let (last, before) = scores.split_last().expect("there are rows");
    assert!(*last > 0.55 && before.iter().all(|score| (0.0..*last).contains(score)), "{last}");
}

#[test]
fn a_score_depends_on_the_rows_before_only() {
    let [short, long] = [3000, 3500].map(|rows| scored(&table(rows, 5.0, 5.0), Kind::Count).expect("a sound table"));
    let same = |text: &str| text.lines().take(3000).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(same(&short), same(&long));
}

#[test]
fn fields_come_out_as_they_went_in() {
    let table = "\u{feff}zone,value,timestamp\r\na,1e2,2026-01-31 06:00:00\r\nb, -0.50 ,2026-01-31T06:01:00Z\r\n\r\n";
    let text = scored(table, Kind::Value).expect("a sound table");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1..], ["2026-01-31 06:00:00,1e2,0.000000", "2026-01-31T06:01:00Z,-0.50,0.000000"]);
}

#[test]
fn times_as_tables_have_them() {
    for (text, seconds) in [
        ("2026-01-31T06:00:00Z", Some(1_769_839_200)),
        ("2026-01-31 06:00:00", Some(1_769_839_200)),
        ("2026-01-31 06:00:00.750", Some(1_769_839_200)),
        ("2026-01-31 06:00", Some(1_769_839_200)),
        ("2026-01-31", Some(1_769_817_600)),
        ("2026-01-31T07:00:00+01:00", Some(1_769_839_200)),
        ("1769839200", Some(1_769_839_200)),
        ("1769839200.9", Some(1_769_839_200)),
        ("1769839200000", None),
        ("31.01.2026", None),
        ("NaN", None),
        ("", None),
    ] {
        assert_eq!(time_s(text), seconds, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
    let head = "timestamp,value\n2026-01-31T06:00:00Z,1\n";
    for (rest, said) in [
        ("yesterday,1\n", "line 3: timestamp \"yesterday\" is not a time such as"),
        ("2026-01-31T05:59:00Z,1\n", "line 3: timestamp 2026-01-31T05:59:00Z is 60 s before the row above"),
        ("2026-01-31T06:01:00Z,many\n", "line 3: value \"many\" is not a number; leave the row out"),
        ("2026-01-31T06:01:00Z,\n", "line 3: value \"\" is not a number"),
        ("2026-01-31T06:01:00Z,inf\n", "line 3: value \"inf\" is not a number"),
        ("2026-01-31T06:01:00Z,1e300\n", "is too large; divide"),
        ("\n2026-01-31T06:01:00Z,1,2\n", "line 4: it has 3 fields"),
    ] {
        let error = scored(&format!("{head}{rest}"), Kind::Value).expect_err(rest);
        assert!(error.starts_with("read a.csv") && error.contains(said), "{rest:?}: {error}");
    }
    for (table, said) in
        [("", "it is empty"), ("a,b\n1,2\n", "line 1: there is no column timestamp"), ("timestamp,value\n", "no rows")]
    {
        let error = scored(table, Kind::Value).expect_err(table);
        assert!(error.contains(said), "{table:?}: {error}");
    }
    let error = scored(&format!("{head}2026-01-31T06:01:00Z,-1\n"), Kind::Count).expect_err("a count below 0");
    assert!(error.contains("leave --counts out"), "{error}");
    let gzip = score("a.gz", &mut &[0x1f, 0x8b, 8, 0, 10][..], Kind::Value, &mut Vec::new());
    assert!(matches!(gzip, Err(Stop::Input(message)) if message.contains("not text") && message.contains("unpacked")));
    let endless = "x".repeat(2 << 20);
    assert!(scored(&endless, Kind::Value).expect_err("no line ends").contains("longer than a mebibyte"));
}

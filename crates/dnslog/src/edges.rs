//! Where edge locations are: the airports whose IATA codes begin their names.
//!
//! AWS names an edge location by three letters, which typically are the code of an airport near it, and a number
//! (`FRA56-C1`), and says that these abbreviations might change: a code that is not in the table is simply unknown.
//! The table, its source and its licence are in `data/`; `tools/make_edges.py` makes it.

use std::sync::LazyLock;

/// An airport that gives an edge location its code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// The three letters the edge's name begins with.
    pub iata: &'static str,
    /// The city; empty where the source knows none.
    pub city: &'static str,
    /// ISO 3166-1 alpha-2, and `XK` for Kosovo.
    pub country: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The latitude as the table has it: a JSON number that needs no formatting.
    pub latitude_text: &'static str,
    /// The longitude as the table has it.
    pub longitude_text: &'static str,
}

/// The place of the edge location `name`, by the three letters it begins with.
pub fn find(name: &str) -> Option<&'static Edge> {
    let slot = slot(name.as_bytes().get(..3)?)?;
    let row = TABLE.rows[slot];
    TABLE.edges.get(usize::from(row))
}

struct Table {
    edges: Vec<Edge>,
    /// Row of each of the 26³ codes, `NO_ROW` where there is none.
    rows: Box<[u16]>,
}

const NO_ROW: u16 = u16::MAX;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let edges: Vec<Edge> = include_str!("../data/edges.csv").lines().filter_map(parse).collect();
    let mut rows = vec![NO_ROW; 26 * 26 * 26].into_boxed_slice();
    for (row, edge) in edges.iter().enumerate() {
        if let Some(slot) = slot(edge.iata.as_bytes()) {
            rows[slot] = row as u16;
        }
    }
    Table { edges, rows }
});

/// The slot of a code: three upper-case letters as a number to the base 26.
fn slot(code: &[u8]) -> Option<usize> {
    code.iter().try_fold(0, |slot, letter| letter.is_ascii_uppercase().then(|| slot * 26 + usize::from(letter - b'A')))
}

fn parse(line: &'static str) -> Option<Edge> {
    let mut fields = line.splitn(5, ',');
    let (iata, country) = (fields.next()?, fields.next()?);
    let (latitude_text, longitude_text) = (fields.next()?, fields.next()?);
    let city = fields.next()?;
    let (latitude, longitude) = (latitude_text.parse().ok()?, longitude_text.parse().ok()?);
    Some(Edge { iata, city, country, latitude, longitude, latitude_text, longitude_text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_found_by_the_letters_it_begins_with() {
        for (name, city, country) in [
            ("FRA56-C1", "Frankfurt am Main", "DE"),
            ("FRA", "Frankfurt am Main", "DE"),
            ("DFW3", "Dallas-Fort Worth", "US"),
            ("GRU1-C1", "Sao Paulo", "BR"),
        ] {
            let edge = find(name).expect(name);
            assert_eq!((edge.city, edge.country), (city, country), "{name}");
        }
        let frankfurt = find("FRA2").expect("FRA");
        assert!((frankfurt.latitude - 50.03).abs() < 0.01 && (frankfurt.longitude - 8.54).abs() < 0.01);
    }

    #[test]
    fn what_is_no_code_is_unknown() {
        for name in ["", "F", "FR", "fra56", "Region", "QQQ1", "1AB", "Fß", "-"] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_used_and_sorted() {
        let lines = include_str!("../data/edges.csv").lines().count();
        assert_eq!(TABLE.edges.len(), lines);
        assert!(TABLE.edges.is_sorted_by(|left, right| left.iata < right.iata));
        for edge in &TABLE.edges {
            assert!(
                edge.country.len() == 2 && edge.latitude.abs() <= 90.0 && edge.longitude.abs() <= 180.0,
                "{edge:?}"
            );
            assert_eq!(find(edge.iata), Some(edge));
        }
    }
}

//! Some columns of a table in CSV, a line at a time. A field in quotes may hold commas and doubled quotes, but no line end.

use std::borrow::Cow;

/// Where the wanted columns are.
#[derive(Debug)]
pub struct Header<const N: usize> {
    names: [&'static str; N],
    places: [usize; N],
    /// Fields in a row.
    count: usize,
}

impl<const N: usize> Header<N> {
    /// Finds the columns in a header line by their names, in any case. The message says what is missing and what is there.
    pub fn read(line: &str, names: [&'static str; N]) -> Result<Self, String> {
        let fields = fields(line)?;
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            let found = fields.iter().position(|field| field.eq_ignore_ascii_case(name));
            *place = found.ok_or_else(|| {
                let there: String = fields.join(", ").chars().filter(|letter| !letter.is_control()).take(200).collect();
                let wanted = names.join(" and ");
                format!("there is no column {name} in the header ({there}); the first line must name {wanted}")
            })?;
        }
        Ok(Self { names, places, count: fields.len() })
    }

    /// A row's wanted fields.
    pub fn row<'a>(&self, line: &'a str) -> Result<[Cow<'a, str>; N], String> {
        let fields = fields(line)?;
        if fields.len() != self.count {
            let (there, wanted) = (fields.len(), self.count);
            return Err(format!("it has {there} fields and the header {wanted}; mend the row"));
        }
        let mut all = fields.into_iter().map(Some).collect::<Vec<_>>();
        let mut taken = self.names.map(|_| Cow::Borrowed(""));
        for (field, &place) in taken.iter_mut().zip(&self.places) {
            *field = all[place].take().unwrap_or_default();
        }
        Ok(taken)
    }
}

/// The fields of a line, without the spaces around them.
fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let (field, after) = unquoted(quoted)?;
                (Cow::Owned(field), after.trim_start())
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (Cow::Borrowed(rest[..end].trim()), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("there is something behind a quoted field; mend the quotes".into()),
        }
    }
}

/// What stands before the closing quote, and what behind it.
fn unquoted(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quoted field does not end; mend the quotes")?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Ok((field.trim().to_owned(), after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(header: &str, line: &str) -> Result<[String; 2], String> {
        Ok(Header::read(header, ["timestamp", "value"])?.row(line)?.map(Cow::into_owned))
    }

    #[test]
    fn columns_are_found_wherever_they_stand() {
        let wanted = Ok(["t".to_owned(), "1".to_owned()]);
        assert_eq!(row("timestamp,value", "t,1"), wanted);
        assert_eq!(row(" Value ,zone,\"TIMESTAMP\"", "1, x ,t"), wanted);
        assert_eq!(row("note,timestamp,value", "\"a, \"\"b\"\"\", \"t\" ,1"), wanted);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (header, line, said) in [
            ("time,value", "", "no column timestamp in the header (time, value)"),
            ("", "", "no column timestamp"),
            ("timestamp,value", "t", "1 fields and the header 2"),
            ("timestamp,value", "t,1,2", "3 fields and the header 2"),
            ("timestamp,value", "\"t,1", "does not end"),
            ("timestamp,value", "\"t\"x,1", "behind a quoted field"),
        ] {
            let error = row(header, line).expect_err(line);
            assert!(error.contains(said), "{header:?} {line:?}: {error}");
        }
    }
}

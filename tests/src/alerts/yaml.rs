//! The part of YAML in which rules and their tests are written: maps and lists by indentation, plain and quoted text, text in
//! blocks, comments. It refuses what it does not know, so that nothing is read in another way than Prometheus reads it;
//! whether the rest is sound, `promtool` says.

/// What a place holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A number is text here, too.
    Text(String),
    /// `- item`
    List(Vec<Node>),
    /// `key: value`, in their order.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// What stands under a key; nothing if this is no map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The text under a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of the list under a key; none if there is no list.
    pub fn list(&self, key: &str) -> &[Self] {
        match self.get(key) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }
}

/// Reads a file's text; what is wrong with it, with the line's number.
pub fn read(text: &str) -> Result<Node, String> {
    let mut reader = Reader { lines: text.lines().map(str::to_owned).collect(), next: 0 };
    let Some(indent) = reader.indent() else { return Err("it is empty".to_owned()) };
    let node = reader.node(indent)?;
    match reader.indent() {
        None => Ok(node),
        Some(_) => Err(reader.fault("stands at no place that was begun")),
    }
}

struct Reader {
    lines: Vec<String>,
    next: usize,
}

impl Reader {
    /// How far the next line with content is indented. Lines before it are passed.
    fn indent(&mut self) -> Option<usize> {
        while let Some(line) = self.lines.get(self.next) {
            let content = line.trim_start();
            if !content.is_empty() && !content.starts_with('#') {
                return Some(line.len() - content.len());
            }
            self.next += 1;
        }
        None
    }

    /// The content of the next line, after [`Self::indent`].
    fn content(&self) -> &str {
        self.lines[self.next].trim()
    }

    fn fault(&self, what: &str) -> String {
        format!("line {}: {what}: {}", self.next + 1, self.content())
    }

    fn node(&mut self, indent: usize) -> Result<Node, String> {
        if self.lines[self.next].contains('\t') {
            return Err(self.fault("a tab"));
        }
        if is_item(self.content()) { self.items(indent) } else { self.entries(indent) }
    }

    fn items(&mut self, indent: usize) -> Result<Node, String> {
        let mut items = Vec::new();
        while self.indent() == Some(indent) && is_item(self.content()) {
            let rest = self.content()[2..].trim_start().to_owned();
            if key(&rest).is_some() {
                // The item is a map whose first key stands behind the dash.
                self.lines[self.next] = format!("{}{rest}", " ".repeat(indent + 2));
                items.push(self.node(indent + 2)?);
            } else {
                items.push(self.scalar(&rest)?);
                self.next += 1;
            }
        }
        Ok(Node::List(items))
    }

    fn entries(&mut self, indent: usize) -> Result<Node, String> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        while self.indent() == Some(indent) && !is_item(self.content()) {
            let content = self.content().to_owned();
            let Some((name, rest)) = key(&content) else { return Err(self.fault("no key")) };
            if entries.iter().any(|(other, _)| other == name) {
                return Err(self.fault("a key twice"));
            }
            let value = match rest {
                ">-" | "|" => {
                    self.next += 1;
                    self.block(indent, if rest == "|" { "\n" } else { " " })
                }
                "" => {
                    self.next += 1;
                    match self.indent() {
                        Some(deeper) if deeper > indent => self.node(deeper)?,
                        _ => return Err(format!("{name}: nothing stands under it")),
                    }
                }
                _ => {
                    let value = self.scalar(rest)?;
                    self.next += 1;
                    value
                }
            };
            entries.push((name.to_owned(), value));
        }
        Ok(Node::Map(entries))
    }

    /// The lines that are indented further than the key before them.
    fn block(&mut self, indent: usize, between: &str) -> Node {
        let mut lines = Vec::new();
        while let Some(line) = self.lines.get(self.next) {
            let content = line.trim();
            if !content.is_empty() && line.len() - line.trim_start().len() <= indent {
                break;
            }
            lines.push(content.to_owned());
            self.next += 1;
        }
        Node::Text(lines.join(between).trim_end().to_owned())
    }

    fn scalar(&self, text: &str) -> Result<Node, String> {
        if text == "[]" {
            return Ok(Node::List(Vec::new()));
        }
        if let Some(items) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let items: Result<_, _> = items.split(',').map(|item| self.scalar(item.trim())).collect();
            return Ok(Node::List(items?));
        }
        if let Some(rest) = text.strip_prefix('"') {
            let inside = rest.strip_suffix('"').ok_or_else(|| self.fault("a quotation without an end"))?;
            return Ok(Node::Text(inside.replace("\\\"", "\"").replace("\\\\", "\\")));
        }
        if let Some(rest) = text.strip_prefix('\'') {
            let inside = rest.strip_suffix('\'').ok_or_else(|| self.fault("a quotation without an end"))?;
            return Ok(Node::Text(inside.replace("''", "'")));
        }
        if text.starts_with(['&', '*', '!', '{', '|', '>', '?', '%', '@', '`']) {
            return Err(self.fault("a form of YAML that is not read here"));
        }
        let plain = text.split(" #").next().unwrap_or_default().trim_end();
        if plain.contains(": ") {
            return Err(self.fault("a colon in plain text"));
        }
        Ok(Node::Text(plain.to_owned()))
    }
}

fn is_item(content: &str) -> bool {
    content.starts_with("- ")
}

/// A key of letters, and what stands behind its colon.
fn key(content: &str) -> Option<(&str, &str)> {
    let (name, rest) = content.split_once(':')?;
    let sound = !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    (sound && (rest.is_empty() || rest.starts_with(' '))).then_some((name, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node::Text(text.to_owned())
    }

    fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
        Node::Map(entries.into_iter().map(|(name, node)| (name.to_owned(), node)).collect())
    }

    #[test]
    fn what_rules_are_written_in_is_read() {
        let file = "# Head.\n\ngroups:\n  - name: a # why\n    rules:\n      # One.\n      - alert: X\n        expr: >-\n          sum(a)\n            > 1\n\
                    \x20       labels:\n          severity: \"a \\\"b\\\" # c\"\n      - record: 'it''s: {a}'\n        exp: []\n  - plain\nfor: [1m, x]\n";
        let first = map([
            ("alert", text("X")),
            ("expr", text("sum(a) > 1")),
            ("labels", map([("severity", text("a \"b\" # c"))])),
        ]);
        let second = map([("record", text("it's: {a}")), ("exp", Node::List(vec![]))]);
        let group = map([("name", text("a")), ("rules", Node::List(vec![first, second]))]);
        let whole =
            map([("groups", Node::List(vec![group, text("plain")])), ("for", Node::List(vec![text("1m"), text("x")]))]);
        assert_eq!(read(file), Ok(whole));
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        for file in [
            "a: &b c\n",
            "a: *b\n",
            "a: {b: c}\n",
            "a: b: c\n",
            "a:\n",
            "a: 1\na: 2\n",
            "a: 1\n  b: 2\n",
            "a\n",
            "\ta: 1\n",
            "a: \"b\n",
            "",
        ] {
            assert!(read(file).is_err(), "{file}");
        }
    }
}

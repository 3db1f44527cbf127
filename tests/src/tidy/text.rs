//! Rules about every text file: nothing of one machine, no conflict left over.

use super::Source;

/// No file names a path of one machine, or keeps the marks of a merge.
pub fn machine_paths(sources: &[Source]) -> Vec<String> {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Use", "rs/"),
        concat!("/tmp", "/zw"),
    ];
    let marks = [concat!("<<<<", "<<< "), concat!(">>>>", ">>> ")];
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.path != "Cargo.lock") {
        for (index, line) in source.text.lines().enumerate() {
            let named = paths.iter().find(|path| line.contains(**path));
            faults.extend(named.map(|path| format!("{}:{}: the machine path {path}", source.path, index + 1)));
            if marks.iter().any(|mark| line.starts_with(mark)) {
                faults.push(format!("{}:{}: a mark of a merge", source.path, index + 1));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_machine_path_is_a_fault_and_a_relative_one_is_not() {
        assert_eq!(machine_paths(&sample("README.md", concat!("see /ro", "ot/notes"))).len(), 1);
        assert_eq!(machine_paths(&sample("README.md", "see deploy/zonewatch.toml")), Vec::<String>::new());
    }

    #[test]
    fn a_mark_of_a_merge_is_a_fault() {
        assert_eq!(machine_paths(&sample("a.toml", concat!("<<<<", "<<< ours\n"))).len(), 1);
    }
}

//! A copy of a worker that answers what a test wants, over a real socket.

use super::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;

/// Answers these documents, and 404 of others, for as long as the test runs; 401 to whoever has no token, if one is wanted.
fn worker(documents: BTreeMap<&'static str, Value>, token: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let path = head[0].split(' ').nth(1).unwrap().strip_prefix("/api/v1/").unwrap().to_owned();
            let allowed = token.is_none_or(|token| head.contains(&format!("Authorization: Bearer {token}")));
            let (status, body) = match documents.get(path.as_str()) {
                _ if !allowed => ("401 Unauthorized", String::new()),
                Some(document) => ("200 OK", document.to_string()),
                None => ("404 Not Found", "nothing here".to_owned()),
            };
            write!(stream, "HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    format!("http://{address}")
}

fn zones(ids: &[&str]) -> Value {
    json!({ "version": 1, "scope": "fleet", "zones": ids.iter().map(|id| json!({ "zone": "a.test", "zone_id": id })).collect::<Vec<_>>() })
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("zonewatch-page-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn copy(folder: &Path, from: &str) -> Result<Copied, String> {
    let worker = Worker::of(from, None).map_err(|failure| failure.message)?;
    let (documents, unnamed) = documents(&worker)?;
    write_all(folder, &documents).map(|copied| Copied { unnamed, ..copied })
}

#[test]
fn a_copy_has_every_page_and_every_document() {
    let folder = folder("whole");
    let empty = json!({ "version": 1 });
    let hostile = "../../<b>";
    let from = worker(
        BTreeMap::from([
            ("zones", zones(&["Z1", hostile])),
            ("findings", empty.clone()),
            ("fleet", empty.clone()),
            ("zones/Z1", json!({ "version": 1, "window": 7 })),
            ("zones/..%2F..%2F%3Cb%3E", empty),
        ]),
        None,
    );
    let pages = assets::ALL.len();
    assert_eq!(copy(&folder, &from), Ok(Copied { pages, documents: 5, zones: 2, removed: 0, unnamed: 0 }));
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
    assert_eq!(read("api/v1/zones/Z1.json"), r#"{"version":1,"window":7}"#);
    assert!(folder.join("api/v1/zones/..~2F..~2F~3Cb~3E.json").is_file(), "a name is no way out of the folder");
    assert!(!folder.join("api/v1/edges.json").exists(), "the worker has none");
    let page = read("findings/index.html");
    assert!(page.contains("<html lang=\"en\" data-copy>") && page.contains("\"../api/v1/zones.json\""), "{page}");
    assert!(!page.contains("api/v1/zones\""), "{page}");
    for page in assets::ALL.iter().filter(|asset| asset.path.ends_with(".html")).map(|asset| read(asset.path)) {
        assert!(!page.contains("=\"/"), "a copy below a path must not lead out of it: {page}");
    }
    assert!(read("404.html").contains("<a href=\"./\">the overview</a>"));
    assert_eq!(
        read("assets/live.js").as_bytes(),
        assets::ALL.iter().find(|asset| asset.path == "assets/live.js").unwrap().bytes
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_second_copy_leaves_nothing_of_zones_that_are_gone() {
    let folder = folder("again");
    let document = json!({ "version": 1 });
    let all = |ids: &[&str]| {
        BTreeMap::from([
            ("zones", zones(ids)),
            ("edges", document.clone()),
            ("zones/Z1", document.clone()),
            ("zones/Z2", document.clone()),
        ])
    };
    copy(&folder, &worker(all(&["Z1", "Z2"]), None)).unwrap();
    fs::write(folder.join("robots.txt"), "mine").unwrap();
    let mut fewer = all(&["Z1"]);
    fewer.remove("edges");
    let copied = copy(&folder, &worker(fewer, None)).unwrap();
    assert_eq!((copied.zones, copied.removed), (1, 2), "a zone and the edges");
    assert!(!folder.join("api/v1/zones/Z2.json").exists() && folder.join("robots.txt").exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_name_longer_than_a_files_is_left_out_and_counted() {
    let folder = folder("long");
    let long: &'static str = "\\052".repeat(80).leak();
    let copied = copy(&folder, &worker(BTreeMap::from([("zones", zones(&[long]))]), None)).unwrap();
    assert_eq!((copied.zones, copied.unnamed), (0, 1));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_longest_name_of_a_file_can_be_written_and_one_byte_more_is_left_out() {
    let folder = folder("longest");
    let [longest, longer]: [&'static str; 2] = [250, 251].map(|bytes| &*"a".repeat(bytes - ".json".len()).leak());
    let document = json!({ "version": 1 });
    let documents = BTreeMap::from([
        ("zones", zones(&[longest, longer])),
        (format!("zones/{longest}").leak(), document.clone()),
        (format!("zones/{longer}").leak(), document),
    ]);
    let copied = copy(&folder, &worker(documents, None)).unwrap();
    assert_eq!((copied.zones, copied.unnamed), (1, 1));
    assert!(folder.join(format!("api/v1/zones/{longest}.json")).is_file());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_can_not_be_copied_is_said_and_leaves_the_last_copy() {
    let folder = folder("refused");
    let args =
        |folder: &Path, from: &str, token_file| Args { folder: folder.to_owned(), from: from.to_owned(), token_file };
    let file = folder.with_extension("file");
    fs::write(&file, "secret\n").unwrap();
    let failure = run(&args(&file, "http://127.0.0.1:1", None)).unwrap_err();
    assert!(failure.code == 2 && failure.message.contains("it is a file"), "{failure:?}");
    for from in ["https://a.test", "127.0.0.1:9465", "http://", "http://a b"] {
        assert_eq!(run(&args(&folder, from, None)).unwrap_err().code, 2, "{from}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = run(&args(&folder, &format!("http://{closed}"), None)).unwrap_err();
    assert!(failure.code == 1 && failure.message.contains("is a worker or demo running there?"), "{failure:?}");
    let guarded = worker(BTreeMap::from([("zones", zones(&[]))]), Some("secret"));
    let failure = run(&args(&folder, &guarded, None)).unwrap_err();
    assert!(failure.message.contains("--token-file"), "{failure:?}");
    let later = worker(BTreeMap::from([("zones", json!({ "version": 2 }))]), None);
    assert!(run(&args(&folder, &later, None)).unwrap_err().message.contains("version 2"));
    assert!(!folder.exists(), "nothing was written so far");
    assert_eq!(run(&args(&folder, &guarded, Some(file.clone()))), Ok(()));
    assert!(folder.join("index.html").is_file());
    fs::remove_dir_all(folder).unwrap();
    fs::remove_file(file).unwrap();
}

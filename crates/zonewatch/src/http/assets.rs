//! The status page's own files, compiled in: pages that draw themselves from the API's documents, and what they load.
//!
//! Everything is served as it stands in `page/`. A browser asks again each time and is told that nothing has changed, so that a
//! worker of another version never leaves it with half of the old page.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its path below the page's first, without a slash before it.
    pub path: &'static str,
    /// What it says.
    pub bytes: &'static [u8],
}

macro_rules! assets {
    ($($path:literal),* $(,)?) => {
        [$(Asset { path: $path, bytes: include_bytes!(concat!("page/", $path)) }),*]
    };
}

/// Every file.
pub static ALL: [Asset; 24] = assets![
    "index.html",
    "zones/index.html",
    "findings/index.html",
    "map/index.html",
    "fleet/index.html",
    "404.html",
    "assets/style.css",
    "assets/dom.js",
    "assets/format.js",
    "assets/live.js",
    "assets/parts.js",
    "assets/overview.js",
    "assets/zone.js",
    "assets/chart.js",
    "assets/findings.js",
    "assets/map.js",
    "assets/projection.js",
    "assets/fleet.js",
    "assets/icon.svg",
    "assets/land.svg",
    "assets/land.LICENSE.txt",
    "assets/uPlot.iife.min.js",
    "assets/uPlot.min.css",
    "assets/uPlot.LICENSE.txt",
];

/// Serves every file; a page at its folder, with and without the last slash.
pub fn routes() -> Router {
    let mut router = Router::new();
    for asset in &ALL {
        let answer = get(move |headers: HeaderMap| async move { asset.answer(&headers) });
        router = match asset.path.strip_suffix("index.html") {
            Some("") => router.route("/", answer),
            Some(folder) => {
                let folder = format!("/{folder}");
                router.route(folder.trim_end_matches('/'), answer.clone()).route(&folder, answer)
            }
            None => router.route(&format!("/{}", asset.path), answer),
        };
    }
    router
}

impl Asset {
    /// By the name's ending.
    pub fn content_type(&self) -> &'static str {
        match self.path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The tag that changes with the content. Nobody gains by making two contents of one tag: they are all ours.
    fn tag(&self) -> String {
        // FNV-1a.
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        format!("\"{:016x}\"", self.bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let tag = self.tag();
        let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let is_known =
            known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
        let mut response = if is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.content_type())], Body::from(self.bytes)).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn text(path: &str) -> &'static str {
        let asset = ALL.iter().find(|asset| asset.path == path).unwrap_or_else(|| panic!("{path} is compiled in"));
        std::str::from_utf8(asset.bytes).expect("the page's files are text")
    }

    /// What a script imports, and what that imports, itself included.
    fn imported(path: &str, found: &mut BTreeSet<String>) {
        if !found.insert(path.to_owned()) {
            return;
        }
        for part in text(path).split("from './").skip(1) {
            let name = part.split('\'').next().unwrap_or_default();
            imported(&format!("assets/{name}"), found);
        }
    }

    /// What a page loads: what it names, and what its scripts import.
    fn loaded(page: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::from([page.to_owned()]);
        for part in text(page).split("assets/").skip(1) {
            imported(&format!("assets/{}", part.split('"').next().unwrap_or_default()), &mut found);
        }
        found
    }

    #[test]
    fn every_file_of_the_page_is_compiled_in() {
        fn walk(folder: &Path, base: &Path, found: &mut BTreeSet<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, base, found);
                } else {
                    found.insert(path.strip_prefix(base).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page");
        let mut found = BTreeSet::new();
        walk(&base, &base, &mut found);
        // Where files of others are from is for readers of the source.
        found.remove("README.md");
        assert_eq!(found, ALL.iter().map(|asset| asset.path.to_owned()).collect());
    }

    /// A first visit loads no more than the pictures of most pages.
    #[test]
    fn a_first_visit_is_small() {
        let size = |path: &String| text(path).len();
        for (page, bytes_max) in [
            ("index.html", 70_000),
            ("findings/index.html", 60_000),
            ("map/index.html", 75_000),
            ("fleet/index.html", 60_000),
            ("zones/index.html", 130_000),
        ] {
            let loaded = loaded(page);
            assert!(loaded.contains("assets/live.js") && loaded.contains("assets/style.css"), "{loaded:?}");
            let bytes: usize = loaded.iter().map(size).sum();
            assert!(bytes <= bytes_max, "{page} loads {bytes} bytes: {loaded:?}");
        }
        let all: BTreeSet<String> =
            ALL.iter().filter(|asset| asset.path.ends_with(".html")).flat_map(|asset| loaded(asset.path)).collect();
        let bytes: usize = all.iter().map(size).sum();
        assert!(bytes <= 190_000, "all pages together load {bytes} bytes");
    }

    /// Names that strangers chose enter a page as text. uPlot's own file is not ours, and is held to it too.
    #[test]
    fn no_script_makes_html_of_text_and_nothing_is_inline() {
        let makers = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "createContextualFragment",
            "eval(",
            "new Function",
            "DOMParser",
            "srcdoc",
        ];
        for asset in ALL.iter().filter(|asset| asset.path.ends_with(".js")) {
            let named = makers.iter().find(|maker| text(asset.path).contains(**maker));
            assert_eq!(named, None, "{}", asset.path);
        }
        for asset in ALL.iter().filter(|asset| asset.path.ends_with(".html")) {
            for inline in [" style=", "<style", "javascript:", " onclick=", " onload=", "<script>"] {
                assert!(!text(asset.path).contains(inline), "{}: {inline}", asset.path);
            }
        }
        for asset in ALL.iter().filter(|asset| !asset.path.contains("uPlot") && !asset.path.ends_with(".txt")) {
            for part in text(asset.path).split("://").skip(1) {
                let host = part.split(['/', '\'', '"']).next();
                assert_eq!(host, Some("www.w3.org"), "{} names another place", asset.path);
            }
        }
    }

    /// A copy that differs from its package is one that nobody reads. `page/README.md` says where they are from.
    #[test]
    fn what_others_wrote_is_what_they_published() {
        for (path, sum) in [
            ("assets/uPlot.iife.min.js", "e36e4ba64a140428"),
            ("assets/uPlot.min.css", "f22add102039a00b"),
            ("assets/uPlot.LICENSE.txt", "5d96d587031aaff4"),
        ] {
            let asset = ALL.iter().find(|asset| asset.path == path).unwrap();
            assert_eq!(asset.tag().trim_matches('"'), sum, "{path}");
            assert!(include_str!("page/README.md").contains(sum), "{path} stands in the list with its sum");
        }
    }

    #[test]
    fn an_asset_that_is_known_is_not_sent_again() {
        let asset = &ALL[0];
        let mut asked = HeaderMap::new();
        let first = asset.answer(&asked);
        assert_eq!(
            (first.status(), &first.headers()[header::CONTENT_TYPE]),
            (StatusCode::OK, &HeaderValue::from_static("text/html; charset=utf-8"))
        );
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(asset.answer(&asked).status(), StatusCode::NOT_MODIFIED);
        asked.insert(header::IF_NONE_MATCH, HeaderValue::from_static("W/\"0\", \"1\""));
        assert_eq!(asset.answer(&asked).status(), StatusCode::OK);
    }
}

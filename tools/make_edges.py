"""Makes crates/dnslog/data/edges.csv: where the airports are whose codes name Route 53's edge locations.

The source is the PyPI package `airportsdata` (MIT; its licence text is copied beside the table). Run it with the version
pinned in tools/pins/pip.txt:

    python3 tools/make_edges.py crates/dnslog/data

Every airport with an IATA code is kept, because AWS opens edge locations without telling. One line each, sorted by code:
code,country,latitude,longitude,city. Coordinates are cut to four decimals (11 metres). The city is last and unquoted:
it may hold commas, and is empty where the source knows none.
"""

import importlib.metadata
import pathlib
import sys

import airportsdata


def degrees(value: float) -> str:
    """The shortest decimal text with at most four decimals that is also a JSON number."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rows():
    """The lines of the table, by code."""
    for code, airport in sorted(airportsdata.load("IATA").items()):
        if len(code) != 3 or not code.isascii() or not code.isalpha() or not code.isupper():
            continue
        city = airport["city"].strip()
        if any(ord(character) < 32 for character in city):
            raise SystemExit(f"{code}: control character in the city's name: {city!r}")
        yield f'{code},{airport["country"]},{degrees(airport["lat"])},{degrees(airport["lon"])},{city}'


def main(folder: pathlib.Path) -> None:
    """Writes the table and the licence of its source."""
    lines = list(rows())
    (folder / "edges.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    distribution = importlib.metadata.distribution("airportsdata")
    licence = next(file for file in distribution.files if file.name == "LICENSE")
    header = f"edges.csv is made by tools/make_edges.py from airportsdata {distribution.version}, under this licence:\n\n"
    (folder / "edges.LICENSE").write_text(header + licence.read_text(encoding="utf-8"), encoding="utf-8")
    print(f"{len(lines)} airports")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: make_edges.py FOLDER")
    main(pathlib.Path(sys.argv[1]))

"""Checks an image's bill of materials and its licences.

    check_materials.py FOLDER NAMES     FOLDER has zonewatch.cdx.json and THIRD-PARTY.txt

NAMES is a file with `name version` of every crate that cargo links into the program, a line each. The bill holds to
CycloneDX' published schema, lists each of them once and nothing else of cargo's, and the licences name every component.
Prints what is wrong, a line each, and exits 1 if anything is.
"""

import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

BESIDE = {"rust-std", "glibc", "ca-certificates", "uplot", "world-atlas"}


def faults(folder, linked):
    text = (folder / "zonewatch.cdx.json").read_text(encoding="utf-8")
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        yield f"CycloneDX: {error}"
        return
    bill = json.loads(text)
    listed = [
        f"{item['name']} {item['version']}" for item in bill["components"] if item["purl"].startswith("pkg:cargo/")
    ]
    for name in sorted(linked - set(listed)):
        yield f"{name} is linked and not listed"
    for name in sorted(set(listed) - linked):
        yield f"{name} is listed and not linked"
    if len(set(listed)) != len(listed):
        yield "a crate is listed twice"
    missing = BESIDE - {item["name"] for item in bill["components"]}
    if missing:
        yield f"not listed: {sorted(missing)}"
    known = {item["bom-ref"] for item in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    for item in bill["dependencies"]:
        for reference in {item["ref"], *item["dependsOn"]} - known:
            yield f"{reference} is needed and not listed"
    licences = (folder / "THIRD-PARTY.txt").read_text(encoding="utf-8")
    for item in bill["components"]:
        if f"{item['name']} {item['version']}: " not in licences:
            yield f"THIRD-PARTY.txt does not name {item['name']}"
        if not item.get("licenses"):
            yield f"{item['name']} has no licence"


def main(folder, names):
    linked = set(pathlib.Path(names).read_text(encoding="utf-8").split("\n")) - {""}
    found = list(faults(pathlib.Path(folder), linked)) if linked else ["no crates are named"]
    for fault in found:
        print(fault)
    print(f"{len(linked)} crates, {len(found)} faults in the bill of materials")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

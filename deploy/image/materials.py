"""What the program is made of: a bill of materials in CycloneDX 1.6, and the licences' texts.

    materials.py TARGET FOLDER     writes zonewatch.cdx.json and THIRD-PARTY.txt into FOLDER

Listed is what is linked into the program: crates from cargo's own resolution for TARGET without build scripts and
procedural macros, the Rust and C libraries, and the roots of TLS that the image carries. Zonewatch's own crates are the
program; a registry may have others of their names.
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

PACKAGE = "zonewatch"
TEXTS = re.compile(r"(?i)^(license|licence|copying|copyright|notice|unlicense)([-._].*)?$")
NOT_TEXTS = (".rs", ".toml", ".py", ".sh", ".html")
PAGE = pathlib.Path("crates/zonewatch/src/http/page/assets")
# What of others is on the status page: the npm package, its licence, and where its text is.
ON_PAGE = {"uplot": ("MIT", "uPlot.LICENSE.txt"), "world-atlas": ("ISC", "land.LICENSE.txt")}
LICENCES = {"glibc": "LGPL-2.1-or-later", "ca-certificates": "MPL-2.0"}


def run(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def linked(target):
    """Names and versions of the crates that are linked in, and who needs whom."""
    flags = ["--package", PACKAGE, "--edges", "normal,no-proc-macro", "--target", target, "--locked"]
    lines = run("cargo", "tree", *flags, "--prefix", "depth", "--no-dedupe", "--format", " {p}").splitlines()
    needs, above = {}, []
    for line in lines:
        depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
        depth, crate = int(depth), (name, version)
        del above[depth:]
        needs.setdefault(crate, set())
        if above:
            needs[above[-1]].add(crate)
        above.append(crate)
    return needs


def packages():
    """Everything cargo knows of packages, by name and version."""
    metadata = json.loads(run("cargo", "metadata", "--format-version", "1", "--locked"))
    return {(package["name"], package["version"]): package for package in metadata["packages"]}


def checksums():
    """SHA-256 of the packages as the registry serves them."""
    locked = tomllib.loads(pathlib.Path("Cargo.lock").read_text(encoding="utf-8"))
    return {(item["name"], item["version"]): item.get("checksum") for item in locked["package"]}


def crate_component(crate, package, checksum):
    name, version = crate
    url = f"pkg:cargo/{name}@{version}"
    component = {"type": "library", "bom-ref": url, "name": name, "version": version, "scope": "required", "purl": url}
    if package["license"]:
        component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return component


def other_components():
    """The libraries below Rust's crates, and the roots, by the versions on this machine."""
    release = re.search(r"release: (\S+)", run("rustc", "-vV")).group(1)
    found = [{
        "type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": release, "scope": "required",
        "licenses": [{"expression": "MIT OR Apache-2.0"}], "purl": f"pkg:generic/rust-std@{release}",
    }]
    for binary, source in (("libc6-dev", "glibc"), ("ca-certificates", "ca-certificates")):
        version = run("dpkg-query", "--show", "--showformat", "${Version}", binary)
        url = f"pkg:deb/debian/{source}@{version.replace('+', '%2B')}?arch=source"
        found.append({
            "type": "library" if source == "glibc" else "data", "bom-ref": source, "name": source, "version": version,
            "scope": "required", "licenses": [{"expression": LICENCES[source]}], "purl": url,
        })
    return found


def page_components():
    """What of others is on the status page, in the versions that its folder's list names."""
    listed = (PAGE.parent / "README.md").read_text(encoding="utf-8")
    versions = {name.lower(): version for name, version in re.findall(r"([\w-]+) (\d\S*), npm", listed)}
    return [{
        "type": "library", "bom-ref": f"pkg:npm/{name}@{versions[name]}", "name": name, "version": versions[name],
        "scope": "required", "licenses": [{"expression": licence}], "purl": f"pkg:npm/{name}@{versions[name]}",
    } for name, (licence, _) in ON_PAGE.items()]


def bill(needs, known, sums):
    """The bill of materials. Its serial number is made of its content."""
    own = {crate for crate in needs if known[crate]["source"] is None}
    [program] = [crate for crate in own if crate[0] == PACKAGE]
    crates = sorted(needs.keys() - own)
    beside = other_components() + page_components()
    components = [crate_component(crate, known[crate], sums.get(crate)) for crate in crates] + beside
    reference = {crate: f"pkg:cargo/{crate[0]}@{crate[1]}" for crate in crates}
    # What one of our own crates needs, the program needs.
    direct = {reference[crate] for one in own for crate in needs[one] if crate in reference}
    direct |= {component["bom-ref"] for component in beside}
    dependencies = [{"ref": PACKAGE, "dependsOn": sorted(direct)}]
    dependencies += [
        {"ref": reference[crate], "dependsOn": sorted(reference[other] for other in needs[crate])} for crate in crates
    ]
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    content = {
        "metadata": {
            "timestamp": moment.isoformat().replace("+00:00", "Z"),
            "component": {
                "type": "application", "bom-ref": PACKAGE, "name": PACKAGE, "version": program[1],
                "licenses": [{"expression": known[program]["license"]}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1, **content,
    }


def texts(package):
    """Licence texts in a package's folder, those of C sources inside it too."""
    folder = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(folder.rglob("*")):
        if path.is_file() and TEXTS.match(path.name) and not path.name.lower().endswith(NOT_TEXTS):
            yield path.read_text(encoding="utf-8", errors="replace").strip()


def notices(components, known):
    """Every component with its licence, then each text once with those that it stands for."""
    lines = ["What Zonewatch is made of besides its own source, and under which licences.", ""]
    holders = {}
    for component in components:
        name = f"{component['name']} {component['version']}"
        licences = component.get("licenses", [{"expression": "see its text"}])
        lines.append(f"{name}: {licences[0]['expression']}")
        package = known.get((component["name"], component["version"]))
        found = list(texts(package)) if package else []
        for text in found:
            holders.setdefault(hashlib.sha256(text.encode()).hexdigest(), (text, []))[1].append(name)
    for name, path in (("glibc", "/usr/share/common-licenses/LGPL-2.1"), ("ca-certificates", "/usr/share/common-licenses/MPL-2.0")):
        text = pathlib.Path(path).read_text(encoding="utf-8").strip()
        holders[name] = (text, [name])
    for name, (_, file) in ON_PAGE.items():
        text = (PAGE / file).read_text(encoding="utf-8").strip()
        holders[name] = (text, [name])
    lines += [
        "",
        "The C library is linked statically. Whoever wants to replace it can build the program anew with another: all of",
        "the program's source, and how it is built, is public under the licence in LICENSE.",
    ]
    for text, names in holders.values():
        lines += ["", "=" * 100, ", ".join(names), "", text]
    return "\n".join(lines) + "\n"


def main(target, folder):
    needs, known = linked(target), packages()
    document = bill(needs, known, checksums())
    folder = pathlib.Path(folder)
    (folder / "zonewatch.cdx.json").write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    (folder / "THIRD-PARTY.txt").write_text(notices(document["components"], known), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

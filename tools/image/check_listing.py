"""Checks the texts of the marketplace listing.

    check_listing.py FOLDER VALUES.yaml VERSION

FOLDER is deploy/marketplace, VALUES.yaml the chart's values, VERSION the program's. Prints what is wrong, a line each, and
exits 1 if anything is.
"""

import json
import pathlib
import re
import struct
import sys

import yaml

# The API publishes no lengths. These are the stricter ones that its forms have shown.
LENGTHS = {"ProductTitle": 72, "ShortDescription": 350, "LongDescription": 5000, "SupportDescription": 2000}
ITEMS = {"Highlights": (3, 250), "SearchKeywords": (3, 50), "Categories": (3, 60)}
INSTRUCTIONS = 4000
MARKS = {"@REGISTRY@", "@REPOSITORY_URL@", "@LOGO_URL@", "@SUPPORT_URL@", "@SECURITY_CONTACT@"}
SECRETS = re.compile(r"AKIA[0-9A-Z]{16}|(?i:password|secret|access key) *[:=]")
LOGO_PIXELS_MIN = 110


def texts(value):
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.values() for text in texts(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in texts(item))


def information(listing):
    for name, most in LENGTHS.items():
        if not 0 < len(listing[name]) <= most:
            yield f"{name} has {len(listing[name])} characters, and may have {most}"
    for name, (count, most) in ITEMS.items():
        if not 0 < len(listing[name]) <= count or len(set(listing[name])) != len(listing[name]):
            yield f"{name} has {len(listing[name])} items, and may have {count} different ones"
        for item in listing[name]:
            if len(item) > most:
                yield f"{name} has an item of {len(item)} characters, and may have {most}"


def at(values, key):
    """Whether the chart has a value of this name."""
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def version(delivery, values, wanted):
    if delivery["Version"]["VersionTitle"] != wanted:
        yield f"the version is {delivery['Version']['VersionTitle']}, and the program's {wanted}"
    for option in delivery["DeliveryOptions"]:
        title, [details] = option["DeliveryOptionTitle"], option["Details"].values()
        tagged = [*details["ContainerImages"], *filter(None, [details.get("HelmChartUri")])]
        for image in tagged:
            if not image.endswith(f":{wanted}"):
                yield f"{title}: {image} is not version {wanted}"
        if not 0 < len(details["UsageInstructions"]) <= INSTRUCTIONS:
            yield f"{title}: instructions have {len(details['UsageInstructions'])} characters, and may have {INSTRUCTIONS}"
        for parameter in details.get("OverrideParameters", []):
            if not at(values, parameter["Key"]):
                yield f"{title}: the chart has no value {parameter['Key']}"
        for key in re.findall(r"--set '?([\w.]+)=", details["UsageInstructions"]):
            if not at(values, key):
                yield f"{title}: the instructions set {key}, and the chart has no such value"


def logo(data):
    """A PNG that is large enough, square and transparent."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        yield "logo.png is no PNG"
        return
    width, height, _, colours = struct.unpack("!IIBB", data[16:26])
    if width != height or width < LOGO_PIXELS_MIN or colours not in (4, 6):
        yield f"logo.png has {width} × {height} pixels of colour type {colours}"


def main(folder, values, wanted):
    folder = pathlib.Path(folder)
    listing, delivery = (
        json.loads((folder / name).read_text(encoding="utf-8")) for name in ("information.json", "version.json")
    )
    chart = yaml.safe_load(pathlib.Path(values).read_text(encoding="utf-8"))
    found = [*information(listing), *version(delivery, chart, wanted), *logo((folder / "logo.png").read_bytes())]
    for text in texts([listing, delivery]):
        found += [
            f"{mark} is not a mark that the README explains" for mark in set(re.findall(r"@[A-Z_]+@", text)) - MARKS
        ]
        if SECRETS.search(text):
            found.append(f"a secret is asked for or told: {text[:60]}")
    explained = set(re.findall(r"`(@[A-Z_]+@)`", (folder / "README.md").read_text(encoding="utf-8")))
    if explained != MARKS:
        found.append(f"README.md explains {sorted(explained)}")
    for fault in found:
        print(fault)
    print(f"the listing's texts, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

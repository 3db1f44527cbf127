"""Checks NDJSON records on standard input against OCSF's class DNS Activity, as the PyPI package ocsf-json-schema has it.

Each record is validated by the JSON schema of its class with the profiles it names; then what a JSON schema does not say:
type_uid follows from class and activity, a text beside an id (`rcode` beside `rcode_id`) is the caption of that id, and
the version is the newest that the package carries without a suffix. Prints what is wrong, a line each, and exits 1 if
anything is.

    python3 tools/check_ocsf.py < records.ndjson
"""

import functools
import json
import sys

import jsonschema
import ocsf_json_schema


def newest() -> str:
    """The newest stable version that the package carries."""
    stable = [version for version in ocsf_json_schema.get_packaged_versions() if "-" not in version]
    return max(stable, key=lambda version: tuple(map(int, version.split("."))))


VERSION = newest()
SCHEMA = ocsf_json_schema.get_ocsf_schema(VERSION)
EMBEDDED = ocsf_json_schema.OcsfJsonSchemaEmbedded(SCHEMA)
CLASS = SCHEMA["classes"]["dns_activity"]


@functools.cache
def validator(profiles: tuple[str, ...]) -> jsonschema.Draft202012Validator:
    """The validator of the class with these profiles."""
    return jsonschema.Draft202012Validator(EMBEDDED.get_class_schema(CLASS["name"], list(profiles)))


def captions(attributes: dict, record: dict, path: str):
    """Texts that are not the caption of the id beside them; also in the objects below."""
    for key, value in record.items():
        attribute = attributes.get(key, {})
        sibling, enum = attribute.get("sibling"), attribute.get("enum")
        if enum and sibling in record and str(value) != "99":
            caption = enum.get(str(value), {}).get("caption")
            if record[sibling] != caption:
                yield f"{path}{sibling} is {record[sibling]!r}, but {key} {value} means {caption!r}"
        if isinstance(value, dict) and "object_type" in attribute:
            yield from captions(SCHEMA["objects"][attribute["object_type"]]["attributes"], value, f"{path}{key}.")


def problems(record: dict):
    """What is wrong with a record."""
    metadata = record.get("metadata", {})
    profiles = tuple(metadata.get("profiles", []))
    for profile in profiles:
        if profile not in CLASS["profiles"]:
            yield f"the class has no profile {profile}"
    for error in validator(profiles).iter_errors(record):
        yield f"{error.json_path}: {error.message[:300]}"
    if metadata.get("version") != VERSION:
        yield f"metadata.version is {metadata.get('version')}, the newest is {VERSION}"
    if record.get("class_uid") != CLASS["uid"]:
        yield f"class_uid is {record.get('class_uid')}, not {CLASS['uid']}"
    if record.get("type_uid") != record.get("class_uid", 0) * 100 + record.get("activity_id", 0):
        yield f"type_uid {record.get('type_uid')} does not follow from class_uid and activity_id"
    yield from captions(CLASS["attributes"], record, "")


def main() -> int:
    """Checks standard input; the exit status."""
    lines = [line for line in sys.stdin.read().split("\n") if line]
    wrong = 0
    for number, line in enumerate(lines, start=1):
        for problem in problems(json.loads(line)):
            print(f"line {number}: {problem}", file=sys.stderr)
            wrong += 1
    if not lines:
        print("no records on standard input", file=sys.stderr)
        wrong += 1
    print(f"{len(lines)} records checked against OCSF {VERSION}, {wrong} problems")
    return 0 if wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

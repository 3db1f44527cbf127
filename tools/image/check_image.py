"""Checks an image in an OCI layout: what is in it, who runs it, what it says of itself, and how large it is.

    check_image.py LAYOUT VERSION REVISION CREATED BYTES_MAX

Prints what is wrong, a line each, and exits 1 if anything is.
"""

import gzip
import io
import json
import pathlib
import struct
import sys
import tarfile

PROGRAM = "usr/bin/zonewatch"
FILES = {
    PROGRAM: 0o755,
    "etc/group": 0o644,
    "etc/nsswitch.conf": 0o644,
    "etc/passwd": 0o644,
    "etc/ssl/certs/ca-certificates.crt": 0o644,
    "usr/share/zonewatch/LICENSE": 0o644,
    "usr/share/zonewatch/THIRD-PARTY.txt": 0o644,
    "usr/share/zonewatch/zonewatch.cdx.json": 0o644,
}
LABEL = "org.opencontainers.image."
INTERPRETER = 3


def blob(layout, descriptor):
    algorithm, _, digest = descriptor["digest"].partition(":")
    return (layout / "blobs" / algorithm / digest).read_bytes()


def needs_interpreter(program):
    """Whether a 64-bit ELF asks for a dynamic linker."""
    (start,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    return any(struct.unpack_from("<I", program, start + index * size)[0] == INTERPRETER for index in range(count))


def contents(members, program):
    found = {name: member for name, member in members.items() if not member.isdir()}
    for name in FILES.keys() - found.keys():
        yield f"{name} is missing"
    for name in found.keys() - FILES.keys():
        yield f"{name} does not belong there"
    for name, member in found.items():
        if not member.isfile() or member.mode & 0o7777 != FILES.get(name, member.mode & 0o7777):
            yield f"{name} has the mode {member.mode:o}"
    for name, member in members.items():
        if (member.uid, member.gid) != (0, 0) or member.mode & 0o022:
            yield f"{name} belongs to {member.uid}:{member.gid} with the mode {member.mode:o}"
    if program[:5] != b"\x7fELF\x02":
        yield f"{PROGRAM} is no 64-bit ELF"
    elif needs_interpreter(program):
        yield f"{PROGRAM} is not static"


def configuration(config, version, revision, created):
    wanted = {
        "User": "65532:65532",
        "Entrypoint": ["/usr/bin/zonewatch"],
        "Cmd": ["worker"],
        "StopSignal": "SIGTERM",
        "ExposedPorts": {"9464/tcp": {}},
    }
    for name, value in wanted.items():
        if config.get(name) != value:
            yield f"{name} is {config.get(name)!r}"
    labels = config.get("Labels") or {}
    for name in ("title", "description", "licenses", "vendor", "version", "revision", "created", "source"):
        if not labels.get(LABEL + name):
            yield f"the label {LABEL}{name} is missing or empty"
    for name, value in (("version", version), ("revision", revision), ("created", created)):
        if labels.get(LABEL + name) != value:
            yield f"the label {LABEL}{name} is {labels.get(LABEL + name)!r}, not {value!r}"
    for variable in config.get("Env", []):
        if not variable.startswith("PATH="):
            yield f"{variable} is set in the image"


def main(layout, version, revision, created, most):
    layout = pathlib.Path(layout)
    [descriptor] = json.loads((layout / "index.json").read_text(encoding="utf-8"))["manifests"]
    manifest = json.loads(blob(layout, descriptor))
    members, program, size, packed = {}, b"", 0, 0
    for layer in manifest["layers"]:
        data = blob(layout, layer)
        packed += len(data)
        data = gzip.decompress(data) if layer["mediaType"].endswith("gzip") else data
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                members[member.name.strip("./")] = member
                size += member.size
                if member.name.strip("./") == PROGRAM:
                    program = archive.extractfile(member).read()
    members.pop("", None)
    config = json.loads(blob(layout, manifest["config"]))["config"]
    found = [*contents(members, program), *configuration(config, version, revision, created)]
    if size > int(most):
        found.append(f"the files have {size} bytes, and may have {most}")
    for fault in found:
        print(fault)
    print(f"{len(members)} entries, {size / 1e6:.1f} MB ({packed / 1e6:.1f} MB packed), {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

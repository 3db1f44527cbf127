"""Checks what a program says of the crates that it is made of, as cargo-auditable writes it.

    check_auditable.py PROGRAM NAMES     NAMES is a file with `name version` of every crate that must be in it, a line each

Prints what is wrong, a line each, and exits 1 if anything is.
"""

import json
import pathlib
import struct
import sys
import zlib


def section(program, wanted):
    """A section of a 64-bit little-endian ELF file."""
    if program[:6] != b"\x7fELF\x02\x01":
        sys.exit("it is no 64-bit little-endian ELF file")
    (start,) = struct.unpack_from("<Q", program, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", program, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", program, start + number * size) for number in range(count)]
    names = headers[names_at][4]
    for name, _, _, _, offset, length in headers:
        text = program[names + name : program.index(b"\0", names + name)]
        if text == wanted:
            return program[offset : offset + length]
    return None


def main(program, names):
    wanted = set(pathlib.Path(names).read_text(encoding="utf-8").split("\n")) - {""}
    packed = section(pathlib.Path(program).read_bytes(), b".dep-v0")
    if packed is None:
        print("it says nothing of its crates: there is no section .dep-v0")
        return 1
    packages = json.loads(zlib.decompress(packed))["packages"]
    # Build scripts and what they need are told apart; the C library's wrappers of the workspace are the program's own.
    told = {f"{item['name']} {item['version']}" for item in packages if item.get("kind", "runtime") == "runtime"}
    for name in sorted(wanted - told):
        print(f"{name} is linked and not told")
    print(f"{len(wanted)} crates linked, {len(told)} told, {len(wanted - told)} missing")
    return 1 if wanted - told or not wanted else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

"""Compares the objects of two YAML files one by one: the same objects, and each the same in every field.

    compare.py KUSTOMIZE.yaml CHART.yaml

The order of objects and of keys means nothing, and neither does that of lists whose items have names of their own
(containers, ports, environment variables), which Kubernetes itself merges by name. Every other list has to agree in
order too. Prints what differs, a line each, and exits 1 if anything does.
"""

import sys

from objects import key, load


def normal(value):
    """A value with named lists as maps."""
    if isinstance(value, dict):
        return {name: normal(item) for name, item in value.items()}
    if isinstance(value, list):
        names = [item.get("name") if isinstance(item, dict) else None for item in value]
        if value and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return {f"[{name}]": normal(item) for name, item in zip(names, value)}
        return [normal(item) for item in value]
    return value


def differences(path, left, right):
    """Where two values differ, and in what."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            where = f"{path}.{name}"
            if name not in right:
                yield f"{where}: only in the first: {left[name]!r}"
            elif name not in left:
                yield f"{where}: only in the second: {right[name]!r}"
            else:
                yield from differences(where, left[name], right[name])
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, pair in enumerate(zip(left, right)):
            yield from differences(f"{path}[{index}]", *pair)
    elif type(left) is not type(right) or left != right:
        yield f"{path}: {left!r} and {right!r}"


def by_key(path):
    items = load(path)
    found = {key(item): item for item in items}
    if len(found) != len(items):
        sys.exit(f"{path}: an object is in it twice")
    return found


def main(first, second):
    left, right = by_key(first), by_key(second)
    wrong = 0
    for name in sorted(left.keys() | right.keys()):
        shown = " ".join(part for part in name[1:] if part)
        if name not in right or name not in left:
            found = [f"{shown}: only in the {'first' if name in left else 'second'}"]
        else:
            found = list(differences(shown, normal(left[name]), normal(right[name])))
        print(f"{'differs' if found else 'same':8}{shown}")
        for line in found:
            print(f"        {line}")
        wrong += len(found)
    if not left:
        print("no objects")
        wrong += 1
    print(f"{len(left)} and {len(right)} objects compared, {wrong} differences")
    return wrong


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(1 if main(*sys.argv[1:]) else 0)

"""Kubernetes objects of a YAML file, for the checks beside this file.

objects.py core FILE       what Kubernetes itself defines, as YAML documents
objects.py operator FILE   what the Prometheus operator defines, as a JSON list
objects.py environment FILE   the worker's environment variables that have a value, NAME=VALUE a line
"""

import json
import sys

import yaml

OPERATOR = "monitoring.coreos.com/"


def load(path):
    """The objects of a file; an empty document is none."""
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


def key(item):
    """What an object is told apart by."""
    metadata = item["metadata"]
    return item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata["name"]


def of_kind(items, kind):
    """All objects of a kind."""
    return [item for item in items if item["kind"] == kind]


def worker(deployment):
    """The container of a Deployment that is the worker."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next(container for container in containers if container["name"] == "worker")


def main(command, path):
    items = load(path)
    operator = [item for item in items if item["apiVersion"].startswith(OPERATOR)]
    if command == "core":
        print(yaml.safe_dump_all([item for item in items if item not in operator]))
    elif command == "operator":
        print(json.dumps(operator))
    elif command == "environment":
        for deployment in of_kind(items, "Deployment"):
            for variable in worker(deployment).get("env", []):
                if "value" in variable:
                    print(f"{variable['name']}={variable['value']}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

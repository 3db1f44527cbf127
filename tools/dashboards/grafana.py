"""Makes the Grafana dashboards.

grafana.py FOLDER     writes fleet.json, zones.json and findings.json
"""

import json
import pathlib
import sys

from findings import findings
from fleet import fleet
from zones import zones


def main(folder):
    for name, made in (("fleet", fleet()), ("zones", zones()), ("findings", findings())):
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        (pathlib.Path(folder) / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

"""Makes the configuration of one run of a container, as restricted as Kubernetes' restricted profile makes it.

    bundle.py CONFIG.json SECCOMP.json OPTIONS.json MACHINE     changes CONFIG.json, as umoci unpacked it

OPTIONS.json has `args`, `env` (a map) and `mounts` (a map from the container's paths to files, read-only). The user stays
the image's. The network is the machine's, since the servers of the checks are on its loopback. SECCOMP.json is the list of
system calls that container engines allow by default, in their form.
"""

import json
import pathlib
import sys

ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
# The machine's network, and no group of its own: what runs the checks is a container itself, as a rule.
SHARED = ("network", "cgroup")


def seccomp(profile, machine):
    """The engine's list in the form of the runtime, for a process without capabilities."""
    native = ARCHITECTURES[machine]
    short = {"x86_64": "amd64", "aarch64": "arm64"}[machine]
    allowed = []
    for rule in profile["syscalls"]:
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        if includes.get("caps") or short not in includes.get("arches", [short]) or short in excludes.get("arches", []):
            continue
        kept = ("names", "action", "args", "errnoRet")
        allowed.append({name: rule[name] for name in kept if rule.get(name)})
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
        "architectures": [native],
        "syscalls": allowed,
    }


def restricted(config, profile, options, machine):
    """The configuration with everything taken away that a worker does not need."""
    process = config["process"]
    process["terminal"] = False
    process["args"] = options["args"]
    process["env"] += [f"{name}={value}" for name, value in options["env"].items()]
    process["capabilities"] = {name: [] for name in ("bounding", "effective", "inheritable", "permitted", "ambient")}
    process["noNewPrivileges"] = True
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]
    config["root"]["readonly"] = True
    linux = config["linux"]
    linux.pop("cgroupsPath", None)
    linux.pop("resources", None)
    linux["namespaces"] = [item for item in linux["namespaces"] if item["type"] not in SHARED]
    linux["seccomp"] = seccomp(profile, machine)
    config["mounts"] = [item for item in config["mounts"] if item["type"] not in ("cgroup", "sysfs")]
    config["mounts"] = [item for item in config["mounts"] if item["destination"] not in options["mounts"]]
    for inside, outside in options["mounts"].items():
        config["mounts"].append(
            {"destination": inside, "source": outside, "type": "bind", "options": ["bind", "ro", "nosuid", "nodev"]}
        )
    return config


def main(path, profile, options, machine):
    path = pathlib.Path(path)
    read = lambda name: json.loads(pathlib.Path(name).read_text(encoding="utf-8"))
    made = restricted(read(path), read(profile), read(options), machine)
    path.write_text(json.dumps(made, indent=1), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])

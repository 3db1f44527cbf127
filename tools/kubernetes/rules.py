"""What must hold between the objects of one fleet and no schema says.

    rules.py OBJECTS.yaml ADAPTER.yaml DRAIN_SECS

ADAPTER.yaml has the rules of the Prometheus adapter, DRAIN_SECS is how long a worker takes from SIGTERM to its end at
most. Prints what is wrong, a line each, and exits 1 if anything is.
"""

import sys

import yaml

from objects import load, of_kind, worker

OWN = {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
# For the node: mounts, network, the report of the end.
SPARE_SECS = 5
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
PROGRAM_BYTES = 64 << 20


def selects(selector, labels):
    """Whether a selector of ours names these pods, and by what tells them from others."""
    return OWN <= selector.keys() and all(labels.get(name) == value for name, value in selector.items())


def in_bytes(amount):
    """`1Gi` as a number."""
    unit = next((unit for unit in UNITS if str(amount).endswith(unit)), None)
    return int(str(amount)[:-2]) * UNITS[unit] if unit else int(amount)


def common(items):
    """Objects of one fleet are in one namespace and carry its labels."""
    namespaces = {item["metadata"].get("namespace") for item in items}
    if len(namespaces) != 1 or None in namespaces:
        yield f"objects are in the namespaces {sorted(map(str, namespaces))}"
    for item in items:
        missing = OWN - item["metadata"].get("labels", {}).keys()
        if missing:
            yield f"{item['kind']} has no label {sorted(missing)}"


def security(pod, container):
    """Kubernetes' restricted profile, and what goes beyond it: the image's own user and a root that is read-only."""
    wanted = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    context = pod.get("securityContext", {})
    for name, value in wanted.items():
        if context.get(name) != value:
            yield f"securityContext.{name} of the pod is {context.get(name)!r}"
    wanted = {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    context = container.get("securityContext", {})
    for name, value in wanted.items():
        if context.get(name) != value:
            yield f"securityContext.{name} of the container is {context.get(name)!r}"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{name} is on"
    if pod.get("automountServiceAccountToken") is not False:
        yield "a token for the Kubernetes API is mounted"


def lifetime(pod, container, drain_secs):
    """The end has time for the drain, and probes find their port."""
    pause = container.get("lifecycle", {}).get("preStop", {})
    if pause and "sleep" not in pause:
        yield "preStop is not a sleep: the image has nothing to run"
    pause_secs = pause.get("sleep", {}).get("seconds", 0)
    grace_secs = pod.get("terminationGracePeriodSeconds", 30)
    if grace_secs < pause_secs + drain_secs + SPARE_SECS:
        yield f"{grace_secs} s to end are too few for {pause_secs} s before the signal and {drain_secs} s of draining"
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    for probe, path in (("startupProbe", "/healthz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        asked = container.get(probe, {}).get("httpGet", {})
        if asked.get("path") != path or asked.get("port") not in ports:
            yield f"{probe} asks {asked}, and there are the ports {ports}"
    environment = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    listens = environment.get("ZONEWATCH_HTTP__OPERATIONS", "127.0.0.1:9464")
    if not listens.endswith(f":{ports.get('operations')}") or listens.startswith("127."):
        yield f"the worker listens on {listens}, and there are the ports {ports}"


def memory(container):
    """Held data is half of what is left beside the program; a limit on CPU is what the plan measures workers by."""
    environment = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    limits = container.get("resources", {}).get("limits", {})
    if not {"cpu", "memory"} <= limits.keys():
        yield f"limits are {limits}"
        return
    held, most = int(environment["ZONEWATCH_LIMITS__HELD_BYTES_MAX"]), in_bytes(limits["memory"])
    if held > (most - PROGRAM_BYTES) / 2:
        yield f"held_bytes_max {held} is more than half of what {limits['memory']} leaves beside the program"


def selectors(items, deployment):
    """Everything that is about the workers' pods selects them; what is about others does not name ours."""
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    about = [("Deployment", deployment["spec"]["selector"]["matchLabels"])]
    about += [
        ("PodDisruptionBudget", item["spec"]["selector"]["matchLabels"])
        for item in of_kind(items, "PodDisruptionBudget")
    ]
    about += [("Service", item["spec"]["selector"]) for item in of_kind(items, "Service")]
    spread = template["spec"].get("topologySpreadConstraints", [])
    about += [(f"spread over {item['topologyKey']}", item["labelSelector"]["matchLabels"]) for item in spread]
    if {item["topologyKey"] for item in spread} != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
        yield "workers are not spread over zones and nodes"
    for policy in of_kind(items, "NetworkPolicy"):
        about.append(("NetworkPolicy", policy["spec"]["podSelector"]["matchLabels"]))
        for rule in policy["spec"]["egress"]:
            for peer in rule.get("to", []):
                if OWN & peer.get("podSelector", {}).get("matchLabels", {}).keys():
                    yield "NetworkPolicy looks for our own labels on the pods of others"
    for name, selector in about:
        if not selects(selector, labels):
            yield f"{name} does not select the workers' pods: {selector}"


def scaling(items, deployment, adapter):
    """One owner of the number of workers, who sees lag by a metric that the adapter serves."""
    scalers = of_kind(items, "HorizontalPodAutoscaler")
    if bool(scalers) == ("replicas" in deployment["spec"]):
        yield "the number of workers has no owner, or two"
    served = {rule["name"]["as"] for rule in adapter["rules"]["custom"]}
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) != ("Deployment", deployment["metadata"]["name"]):
            yield f"HorizontalPodAutoscaler scales {target}"
        if scaler["spec"]["maxReplicas"] < scaler["spec"]["minReplicas"]:
            yield "HorizontalPodAutoscaler has no room"
        kinds = {metric["type"] for metric in scaler["spec"]["metrics"]}
        if not {"Resource", "Pods"} <= kinds:
            yield f"HorizontalPodAutoscaler looks at {sorted(kinds)} only"
        for metric in scaler["spec"]["metrics"]:
            name = metric.get("pods", {}).get("metric", {}).get("name")
            if name and name not in served:
                yield f"no rule of the adapter serves {name}"


def references(items, deployment):
    """Names that point at another object."""
    pod = deployment["spec"]["template"]["spec"]
    if pod.get("serviceAccountName") not in {item["metadata"]["name"] for item in of_kind(items, "ServiceAccount")}:
        yield f"there is no ServiceAccount {pod.get('serviceAccountName')}"
    for monitor in of_kind(items, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        found = [item for item in of_kind(items, "Service") if selects(wanted, item["metadata"]["labels"])]
        ports = {port["name"] for item in found for port in item["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint["port"] not in ports:
                yield f"ServiceMonitor looks for the port {endpoint['port']}, and there are {sorted(ports)}"
    for service in of_kind(items, "Service"):
        named = {port["name"] for port in worker(deployment)["ports"]}
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in named:
                yield f"Service leads to {port['targetPort']}, and the worker has {sorted(named)}"


def faults(items, adapter, drain_secs):
    """Everything that is wrong with a fleet's objects."""
    deployments = of_kind(items, "Deployment")
    if len(deployments) != 1:
        return [f"{len(deployments)} Deployments"]
    [deployment] = deployments
    pod, container = deployment["spec"]["template"]["spec"], worker(deployment)
    found = [*common(items), *security(pod, container), *lifetime(pod, container, drain_secs), *memory(container)]
    found += [*selectors(items, deployment), *scaling(items, deployment, adapter), *references(items, deployment)]
    return found


def main(path, adapter, drain_secs):
    items = load(path)
    with open(adapter, encoding="utf-8") as file:
        found = faults(items, yaml.safe_load(file), float(drain_secs))
    for fault in found:
        print(fault)
    print(f"{len(items)} objects, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

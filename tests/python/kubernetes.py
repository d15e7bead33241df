"""Checks rendered Kubernetes objects: schemas, the restricted profile, secrets, networks, configurations.

    kubernetes.py BINARY SINGLE CLUSTER

SINGLE and CLUSTER are files with what the overlays render to. First both must pass; then copies that are broken, each in
one way, must fail, each for its reason. `kubernetes_validate` has the schemas.
"""

import copy
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

VERSION = "1.33"
# What the process waits for when it stops: open requests, then seals, 10 s each.
DRAIN_SECONDS = 20
PORT_GRPC = 7443
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


def name_of(thing):
    return f"{thing['kind']} {thing['metadata']['name']}"


def of_kind(things, *kinds):
    return [thing for thing in things if thing["kind"] in kinds]


def pods(things):
    """Every workload with its pod template."""
    return [(thing, thing["spec"]["template"]) for thing in of_kind(things, "Deployment", "StatefulSet", "Job")]


def schemas(things):
    for thing in things:
        try:
            kubernetes_validate.validate(thing, VERSION, strict=True)
        except Exception as error:  # The package raises what its parts raise.
            yield f"{name_of(thing)}: schema: {str(error).splitlines()[0]}"


def restricted(things):
    namespace = of_kind(things, "Namespace")
    if [n["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") for n in namespace] != ["restricted"]:
        yield "the namespace does not enforce the restricted profile"
    for thing, template in pods(things):
        who, pod = name_of(thing), template["spec"]
        security = pod.get("securityContext", {})
        if not security.get("runAsNonRoot") or security.get("runAsUser", 0) < 1 or security.get("fsGroup", 0) < 1:
            yield f"{who}: user and group are not fixed, or root's"
        if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{who}: seccomp profile"
        for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"):
            if key in pod:
                yield f"{who}: {key}"
        if pod.get("automountServiceAccountToken") is not False or pod.get("enableServiceLinks") is not False:
            yield f"{who}: a token of the account, or links to services, are mounted"
        for container in pod["containers"] + pod.get("initContainers", []):
            if container.get("securityContext") != RESTRICTED:
                yield f"{who}: container `{container['name']}` is not restricted: {container.get('securityContext')}"
        for volume in pod.get("volumes", []):
            if not VOLUMES & volume.keys():
                yield f"{who}: volume `{volume['name']}` is of a kind that is not allowed"


def operable(things):
    for thing, template in pods(things):
        who, pod = name_of(thing), template["spec"]
        for container in pod["containers"]:
            resources = container.get("resources", {})
            for bound in ("requests", "limits"):
                if {"cpu", "memory"} - resources.get(bound, {}).keys():
                    yield f"{who}: `{container['name']}` has no {bound} of processor and memory"
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if thing["kind"] != "Job" and probe not in container:
                    yield f"{who}: `{container['name']}` has no {probe}"
            if container["name"] == "ledger" and thing["kind"] != "Job":
                liveness = container.get("livenessProbe", {}).get("grpc", {})
                if liveness.get("service") != "liveness":
                    yield f"{who}: liveness depends on what a restart does not bring back"
            if not re.search(r":[0-9][^:]*$|@sha256:[0-9a-f]{64}$", container["image"]):
                yield f"{who}: image `{container['image']}` is not pinned"
        if thing["kind"] == "Job":
            continue
        if pod.get("terminationGracePeriodSeconds", 30) <= DRAIN_SECONDS:
            yield f"{who}: is killed before it has drained"
        if thing["spec"].get("replicas", 1) > 1:
            terms = pod.get("affinity", {}).get("podAntiAffinity", {})
            if not terms.get("requiredDuringSchedulingIgnoredDuringExecution"):
                yield f"{who}: its pods may stand on one machine"
            budgets = of_kind(things, "PodDisruptionBudget")
            if not any(selects(budget["spec"]["selector"], template) for budget in budgets):
                yield f"{who}: no budget of disruptions"
        if thing["spec"]["selector"].get("matchLabels", {}).items() - template["metadata"]["labels"].items():
            yield f"{who}: does not select its own pods"
    for service in of_kind(things, "Service"):
        selector = {"matchLabels": service["spec"].get("selector") or {"": ""}}
        if not any(selects(selector, template) for _, template in pods(things)):
            yield f"{name_of(service)}: selects no pod"


def secrets_of(pod):
    """Names of the secrets that a pod can read."""
    found = set()
    for volume in pod.get("volumes", []):
        found.add(volume.get("secret", {}).get("secretName"))
        for source in volume.get("projected", {}).get("sources", []):
            found.add(source.get("secret", {}).get("name"))
    for container in pod["containers"] + pod.get("initContainers", []):
        for variable in container.get("env", []):
            found.add(variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name"))
        for source in container.get("envFrom", []):
            found.add(source.get("secretRef", {}).get("name"))
    return found - {None}


def separate(things):
    if of_kind(things, "Secret"):
        yield "a secret stands in the repository"
    if of_kind(things, "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        yield "somebody may do something at the interface of Kubernetes"
    owners, accounts, claims = {}, {}, {}
    for thing, template in pods(things):
        pod = template["spec"]
        for secret in secrets_of(pod):
            owners.setdefault(secret, []).append(name_of(thing))
        if thing["kind"] != "Job":
            accounts.setdefault(pod.get("serviceAccountName", "default"), []).append(name_of(thing))
        for volume in pod.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and thing["kind"] != "Job":
                claims.setdefault(claim, []).append(name_of(thing))
        # Secrets are called after the one who has them.
        own = thing["metadata"]["name"] + "-"
        for secret in secrets_of(pod):
            if not secret.startswith(own):
                yield f"{name_of(thing)}: mounts `{secret}`, a secret of somebody else"
    for what, shared in (("secret", owners), ("account", accounts), ("volume", claims)):
        for name, users in shared.items():
            if len(users) > 1 or name == "default":
                yield f"{what} `{name}` is shared by {', '.join(users)}"


def selects(selector, template):
    labels = template["metadata"]["labels"]
    if selector.get("matchLabels", {}).items() - labels.items():
        return False
    for term in selector.get("matchExpressions", []):
        if term["operator"] != "In" or labels.get(term["key"]) not in term["values"]:
            return False
    return True


def reaches(things, origin, target, port):
    """Whether the policies let a pod open a connection to a port of another."""

    def lets(subject, other, direction, way):
        policies = [p for p in of_kind(things, "NetworkPolicy") if selects(p["spec"]["podSelector"], subject)]
        policies = [p for p in policies if direction.capitalize() in p["spec"]["policyTypes"]]
        if not policies:
            return True
        for policy in policies:
            for rule in policy["spec"].get(direction) or []:
                ports = [p["port"] for p in rule.get("ports", [])]
                peers = rule.get(way)
                near = peers is None or any(
                    "namespaceSelector" not in p and "podSelector" in p and selects(p["podSelector"], other) for p in peers
                )
                if near and (not ports or port in ports):
                    return True
        return False

    return lets(origin, target, "egress", "to") and lets(target, origin, "ingress", "from")


def networks(things):
    deny = [p for p in of_kind(things, "NetworkPolicy") if p["spec"]["podSelector"] == {} and not p["spec"].get("ingress")]
    if not any(set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"} and not p["spec"].get("egress") for p in deny):
        yield "not everything that is not said is denied"
    by_part = {}
    for thing, template in pods(things):
        by_part.setdefault(template["metadata"]["labels"]["app.kubernetes.io/component"], []).append((thing, template))
    # Who reaches whom, by port; nobody else reaches anybody.
    allowed = {("desk", "kurrentdb", 2113), ("audit", "kurrentdb", 2113), ("gateway", "kurrentdb", 2113)}
    allowed |= {("vault", "kurrentdb", 2113), ("sealer", "kurrentdb", 2113), ("kurrentdb", "kurrentdb", 2113)}
    allowed |= {("kurrentdb", "kurrentdb", 1112), ("desk", "vault", 7443), ("audit", "vault", 7443)}
    allowed |= {("sealer", "witness", 7481)}
    for first, origins in by_part.items():
        for second, targets in by_part.items():
            for port in (1112, 2113, 7443, 7444, 7480, 7481):
                expected = (first, second, port) in allowed
                for origin, from_pod in origins:
                    for target, to_pod in targets:
                        if reaches(things, from_pod, to_pod, port) != expected:
                            word = "does not reach" if expected else "reaches"
                            yield f"{name_of(origin)} {word} {name_of(target)} on port {port}"


def configurations(things, binary):
    with tempfile.TemporaryDirectory() as directory:
        files = []
        for thing in of_kind(things, "ConfigMap"):
            text = thing.get("data", {}).get("mediation.toml")
            if text is not None:
                file = Path(directory) / f"{thing['metadata']['name']}.toml"
                file.write_text(text)
                files.append(file)
        if not files:
            yield "no configuration was rendered"
            return
        checked = subprocess.run([binary, "config", "check", *files], capture_output=True, text=True)
        if checked.returncode != 0:
            yield f"configuration: {(checked.stdout + checked.stderr).strip()}"


def objections(things, binary):
    checks = (schemas, restricted, operable, separate, networks)
    return [objection for check in checks for objection in check(things)] + list(configurations(things, binary))


def workload(things, name):
    return next(thing for thing, _ in pods(things) if thing["metadata"]["name"] == name)


def container(things, name):
    return workload(things, name)["spec"]["template"]["spec"]["containers"][0]


def foreign_key(things):
    sources = workload(things, "mediation-ct-zs")["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"]
    sources[1]["secret"]["name"] = "mediation-pr-cj-keys"


def unknown_key(things):
    config = next(t for t in of_kind(things, "ConfigMap") if t["metadata"]["name"].startswith("mediation-ct-zs"))
    config["data"]["mediation.toml"] = 'sealing = "later"\n' + config["data"]["mediation.toml"]


def credentials(things):
    config = next(t for t in of_kind(things, "ConfigMap") if t["metadata"]["name"].startswith("sealer"))
    config["data"]["mediation.toml"] = config["data"]["mediation.toml"].replace("esdb://", "esdb://admin:changeit@")


def desk_to_desk(things):
    policy = next(t for t in of_kind(things, "NetworkPolicy") if t["metadata"]["name"] == "desk")
    policy["spec"]["egress"].append({"ports": [{"port": PORT_GRPC, "protocol": "TCP"}]})


# What is done to a good rendering, and the objection that it must bring, and no other kind.
BROKEN = [
    (lambda t: container(t, "vault")["securityContext"].update(privileged=True), "container `ledger` is not restricted"),
    (lambda t: container(t, "mediation-gateway")["resources"].pop("limits"), "has no limits of processor and memory"),
    (foreign_key, "mounts `mediation-pr-cj-keys`, a secret of somebody else"),
    (unknown_key, "unknown field `sealing`"),
    (credentials, "`kurrentdb.address` holds credentials"),
    (desk_to_desk, "Deployment mediation-ct-zs reaches Deployment mediation-pr-cj on port 7443"),
    (lambda t: container(t, "sealer").update(livenesProbe={}), "schema"),
    (lambda t: container(t, "kurrentdb").update(image="kurrentdb:latest"), "is not pinned"),
]


def main(binary, single, cluster):
    good = {name: [t for t in yaml.safe_load_all(Path(name).read_text()) if t] for name in (single, cluster)}
    wrong = 0
    for name, things in good.items():
        found = objections(things, binary)
        wrong += len(found)
        for objection in found:
            print(f"{Path(name).stem}: {objection}")
        print(f"{Path(name).stem}: {len(things)} objects, {len(found)} objections")
    for number, (break_it, reason) in enumerate(BROKEN, start=1):
        things = copy.deepcopy(good[cluster])
        break_it(things)
        found = objections(things, binary)
        if any(reason in objection for objection in found):
            print(f"broken {number}: refused: {reason}")
        else:
            wrong += 1
            print(f"broken {number}: should be refused because of {reason!r}, and says {found}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The ledger's example manifests: flags that it takes, replicas with nothing of their own, secrets that stay so."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from holdfast_ledger.config import ENVIRONMENT_PREFIX, LedgerConfig, load
from holdfast_ledger.usage.cluster import ClusterDatabase
from holdfast_ledger.usage.database import UsageStoreDown
from holdfast_ledger.usage.worker_settings import is_cluster

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
REPLICATED, SINGLE = "ledger.yaml", "ledger-single.yaml"
SECRETS = dict(re.findall(r"--from-literal=([\w-]+)='(.+)'", (FOLDER / REPLICATED).read_text(encoding="utf-8")))
"""What is in the secret, by key, as the comment at the head of the manifest says."""
Node = Mapping[str, Any]
Documents = Mapping[str, Node]


def read(name: str) -> Documents:
    """A manifest's objects by kind."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture(scope="module", params=[REPLICATED, SINGLE])
def documents(request: pytest.FixtureRequest) -> Documents:
    """The objects of each manifest."""
    return read(request.param)


def pod_of(documents: Documents) -> Node:
    """The pod's specification."""
    workload = documents.get("Deployment") or documents["StatefulSet"]
    return dict(workload["spec"]["template"]["spec"])


def container_of(documents: Documents) -> Node:
    """The ledger's container."""
    (only,) = pod_of(documents)["containers"]
    return dict(only)


def config_of(documents: Documents) -> LedgerConfig:
    """The configuration that flags and environment make."""
    container = container_of(documents)
    command, *flags = container["args"]
    assert command == "ledger"
    named = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    environment = {one["name"]: SECRETS[one["valueFrom"]["secretKeyRef"]["key"]] for one in container.get("env", ())}
    return load({name.replace("-", "_"): value for name, value in named.items()}, None, environment)


def mounts_of(documents: Documents) -> Mapping[str, Path]:
    """Where which volume is."""
    return {mount["name"]: Path(mount["mountPath"]) for mount in container_of(documents)["volumeMounts"]}


def test_passwords_come_from_a_secret() -> None:
    """Both URLs have one."""
    documents = read(REPLICATED)
    container, config = container_of(documents), config_of(documents)
    assert {one["name"] for one in container["env"]} == {
        f"{ENVIRONMENT_PREFIX}DATABASE",
        f"{ENVIRONMENT_PREFIX}USAGE_STORE",
    }
    assert all(set(one["valueFrom"]) == {"secretKeyRef"} for one in container["env"])
    assert config.database.startswith("postgresql://")
    assert not [flag for flag in container["args"] if "database" in flag or "usage-store" in flag]


def test_replicas_have_nothing_of_their_own() -> None:
    """All of them ask one usage store: a page that one has begun another one goes on with."""
    documents = read(REPLICATED)
    assert documents["Deployment"]["spec"]["replicas"] > 1
    assert mounts_of(documents) == {"tmp": Path("/tmp")}
    (volume,) = pod_of(documents)["volumes"]
    assert "emptyDir" in volume
    assert is_cluster(config_of(documents).usage_store)
    with pytest.raises(UsageStoreDown):
        # Nobody is there, but the URL is one that can be read.
        ClusterDatabase(SECRETS["usage-store"].replace("clickhouse:8123", "127.0.0.1:1"))


def test_a_single_one_keeps_everything_on_its_volume() -> None:
    """Database and usage store outlive the pod; a second one cannot write there."""
    documents = read(SINGLE)
    config, folder = config_of(documents), mounts_of(documents)["data"]
    assert folder in Path(config.database).parents
    assert folder in Path(config.usage_store).parents
    spec = documents["StatefulSet"]["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert spec["replicas"] == 1
    context = pod_of(documents)["securityContext"]
    assert context["fsGroup"] == context["runAsUser"]


def test_the_limit_has_room_for_the_engine() -> None:
    """The embedded engine may take what it is told, beside the ledger and the worker's own."""
    documents = read(SINGLE)
    limit = container_of(documents)["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    assert int(limit.removesuffix("Gi")) * 1_024 >= 2 * config_of(documents).usage_memory_mb


def test_ports_probes_and_service_are_those_that_are_served(documents: Documents) -> None:
    container, config = container_of(documents), config_of(documents)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    served = {name: int(address.rpartition(":")[2]) for name, address in _listeners(config).items()}
    assert ports == {**served, "metrics": config.metrics_port}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == ports["grpc"]
    services = {port["name"]: (port["port"], port["targetPort"]) for port in documents["Service"]["spec"]["ports"]}
    assert services == {name: (port, name) for name, port in served.items()}


def _listeners(config: LedgerConfig) -> Mapping[str, str]:
    return {"grpc": config.listen, "http": config.http_listen}


def test_the_console_is_called_by_name_and_with_a_credential(documents: Documents) -> None:
    """The name of the service is one of those that it answers to; it is open to an ingress, so it asks who calls."""
    config = config_of(documents)
    assert documents["Service"]["metadata"]["name"] in config.http_hosts.split(",")
    assert "*" not in config.http_hosts
    assert config.require_credentials


def test_the_sidecars_of_the_other_manifest_find_it(documents: Documents) -> None:
    sidecar = (FOLDER / "sidecar.yaml").read_text(encoding="utf-8")
    ports = {port["name"]: port["port"] for port in documents["Service"]["spec"]["ports"]}
    assert f"--ledger-target={documents['Service']['metadata']['name']}:{ports['grpc']}" in sidecar


def test_who_comes_in(documents: Documents) -> None:
    """Pods that have a sidecar, by their label, call it; the ingress gets to the console, Prometheus to the metrics."""
    rules = documents["NetworkPolicy"]["spec"]["ingress"]
    label = next(iter(rules[0]["from"][0]["podSelector"]["matchLabels"].items()))
    text = (FOLDER / "sidecar.yaml").read_text(encoding="utf-8")
    labels = next(iter(yaml.safe_load_all(text)))["spec"]["template"]["metadata"]["labels"]
    assert label in labels.items()
    assert [[port["port"] for port in rule["ports"]] for rule in rules] == [["grpc"], ["http"], ["metrics"]]
    assert all("namespaceSelector" in rule["from"][0] for rule in rules[1:])


def test_it_may_do_nothing_that_it_need_not(documents: Documents) -> None:
    """No root, no writable image, no capabilities; /tmp is there for the worker's socket."""
    pod, container = pod_of(documents), container_of(documents)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "tmp" in mounts_of(documents)


def test_variables_of_the_service_do_not_reach_it(documents: Documents) -> None:
    assert pod_of(documents)["enableServiceLinks"] is False

"""The example manifest: what it promises is in it, and the sidecar takes the flags that it gives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from holdfast.core.settings import TARGET_VARIABLE
from holdfast_sidecar.config import SidecarConfig, load
from holdfast_sidecar.dispatcher.dispatcher import LIVENESS_SERVICE

ROOT = Path(__file__).resolve().parents[2]
Node = Mapping[str, Any]


@pytest.fixture(scope="module")
def documents() -> dict[str, Node]:
    """The manifest's objects by kind."""
    text = (ROOT / "deploy" / "kubernetes" / "sidecar.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def pod(documents: Mapping[str, Node]) -> Node:
    """The pod's specification."""
    spec: Node = documents["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def sidecar(pod: Node) -> Node:
    """The sidecar's container."""
    containers: Sequence[Node] = pod["initContainers"]
    return next(container for container in containers if container["name"] == "holdfast")


@pytest.fixture(scope="module")
def config(sidecar: Node) -> SidecarConfig:
    """The configuration that the container's flags make."""
    command, *flags = (argument.replace("$(POD_NAME)", "assistant-0") for argument in sidecar["args"])
    assert command == "sidecar"
    return load(flags)


def port_of(address: str | None) -> int:
    """The port of a setting that is an address."""
    assert address is not None
    return int(address.rpartition(":")[2])


def mounts(container: Node) -> dict[str, str]:
    """Where a container mounts which volume."""
    return {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}


def test_it_is_a_native_sidecar(sidecar: Node) -> None:
    """It starts before the application, restarts alone and stops last."""
    assert sidecar["restartPolicy"] == "Always"


def test_probes_ask_the_port_that_is_served(sidecar: Node, config: SidecarConfig) -> None:
    """Probes reach the pod's address, so the listener must not be on loopback."""
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert sidecar[probe]["grpc"]["port"] == port_of(config.listen_tcp)
    assert sidecar["startupProbe"]["grpc"]["service"] == LIVENESS_SERVICE
    assert sidecar["livenessProbe"]["grpc"]["service"] == LIVENESS_SERVICE
    assert "service" not in sidecar["readinessProbe"]["grpc"]
    assert not str(config.listen_tcp).startswith(("127.", "localhost", "[::1]"))


def test_declared_ports_are_the_configured_ones(sidecar: Node, config: SidecarConfig) -> None:
    """Names of ports lead where the sidecar listens."""
    ports = {port["name"]: port["containerPort"] for port in sidecar["ports"]}
    assert ports == {"grpc": port_of(config.listen_tcp), "metrics": port_of(config.metrics_address)}


def test_the_port_for_probes_is_closed_to_the_cluster(documents: Mapping[str, Node]) -> None:
    """Calls are not authenticated over TCP; only metrics may come in from elsewhere."""
    policy = documents["NetworkPolicy"]["spec"]
    labels = documents["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress"]
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == ["metrics"]


def test_the_application_shares_the_socket_and_its_uid_is_allowed(
    pod: Node, sidecar: Node, config: SidecarConfig
) -> None:
    """Both mount the socket's volume, and the client is told where it is; data stay with the sidecar."""
    (application,) = pod["containers"]
    folder = mounts(application)["holdfast-socket"]
    assert folder == mounts(sidecar)["holdfast-socket"] == str(config.listen_unix and config.listen_unix.parent)
    assert {"name": TARGET_VARIABLE, "value": f"unix:{config.listen_unix}"} in application["env"]
    assert application["securityContext"]["runAsUser"] in (config.allowed_uids or ())
    assert "holdfast-data" not in mounts(application)
    assert mounts(sidecar)["holdfast-data"] == str(config.folder)


def test_data_lie_on_disk(pod: Node) -> None:
    """A volume in memory would lose the outbox with the node, and be counted as memory."""
    volumes = {volume["name"]: volume["emptyDir"] for volume in pod["volumes"]}
    assert set(volumes) == {"holdfast-data", "holdfast-socket"}
    assert "medium" not in volumes["holdfast-data"]


def test_it_may_do_nothing_that_it_need_not(pod: Node, sidecar: Node) -> None:
    """No root, no writable image, no capabilities, the runtime's system-call filter."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = sidecar["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["runAsUser"] == pod["securityContext"]["fsGroup"] > 0


def test_it_has_time_to_drain(pod: Node, config: SidecarConfig) -> None:
    """The pod's grace covers the drain; variables of services are kept out of the settings."""
    assert pod["terminationGracePeriodSeconds"] * 1_000 > config.drain_grace_ms
    assert pod["enableServiceLinks"] is False

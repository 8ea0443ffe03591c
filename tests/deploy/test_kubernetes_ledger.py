"""The ledger's example manifest: flags that it takes, replicas with nothing of their own, a secret that stays one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from holdfast_ledger.config import ENVIRONMENT_PREFIX, LedgerConfig, load

ROOT = Path(__file__).resolve().parents[2]
Node = Mapping[str, Any]


@pytest.fixture(scope="module")
def documents() -> dict[str, Node]:
    """The manifest's objects by kind."""
    text = (ROOT / "deploy" / "kubernetes" / "ledger.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def container(documents: Mapping[str, Node]) -> Node:
    """The ledger's container."""
    (only,) = documents["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.fixture(scope="module")
def config(container: Node) -> LedgerConfig:
    """The configuration that flags and environment make."""
    command, *flags = container["args"]
    assert command == "ledger"
    named = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    environment = {entry["name"]: "postgresql://holdfast:secret@db/holdfast" for entry in container["env"]}
    return load({name.replace("-", "_"): value for name, value in named.items()}, None, environment)


def test_the_database_comes_from_a_secret(container: Node, config: LedgerConfig) -> None:
    (entry,) = container["env"]
    assert entry["name"] == f"{ENVIRONMENT_PREFIX}DATABASE"
    assert set(entry["valueFrom"]) == {"secretKeyRef"}
    assert config.database.startswith("postgresql://")
    assert not [flag for flag in container["args"] if "database" in flag]


def test_replicas_have_nothing_of_their_own(documents: Mapping[str, Node], container: Node) -> None:
    spec = documents["Deployment"]["spec"]
    assert spec["replicas"] > 1
    assert "volumes" not in spec["template"]["spec"]
    assert "volumeMounts" not in container


def test_ports_probes_and_service_are_those_that_are_served(
    documents: Mapping[str, Node], container: Node, config: LedgerConfig
) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": int(config.listen.rpartition(":")[2]), "metrics": config.metrics_port}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == ports["grpc"]
    (service,) = documents["Service"]["spec"]["ports"]
    assert (service["port"], service["targetPort"]) == (ports["grpc"], "grpc")


def test_the_sidecars_of_the_other_manifest_find_it(documents: Mapping[str, Node]) -> None:
    sidecar = (ROOT / "deploy" / "kubernetes" / "sidecar.yaml").read_text(encoding="utf-8")
    (port,) = documents["Service"]["spec"]["ports"]
    assert f"--ledger-target={documents['Service']['metadata']['name']}:{port['port']}" in sidecar


def test_sidecars_may_call_it(documents: Mapping[str, Node]) -> None:
    """The label that the policy asks for is on the pods that have a sidecar."""
    rules = documents["NetworkPolicy"]["spec"]["ingress"]
    label = next(iter(rules[0]["from"][0]["podSelector"]["matchLabels"].items()))
    text = (ROOT / "deploy" / "kubernetes" / "sidecar.yaml").read_text(encoding="utf-8")
    labels = next(iter(yaml.safe_load_all(text)))["spec"]["template"]["metadata"]["labels"]
    assert label in labels.items()


def test_variables_of_the_service_do_not_reach_it(documents: Mapping[str, Node]) -> None:
    assert documents["Deployment"]["spec"]["template"]["spec"]["enableServiceLinks"] is False

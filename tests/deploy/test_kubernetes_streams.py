"""The streams' example manifest: its file is one that is taken, its flags are those of the command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from holdfast_ledger.streams.cli import _parser
from holdfast_ledger.streams.config import StreamsConfig, load

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
DIRECTIONS = ("export", "import")
Node = Mapping[str, Any]


@pytest.fixture(scope="module")
def documents() -> list[Node]:
    """The manifest's objects."""
    return list(yaml.safe_load_all((FOLDER / "streams.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def deployments(documents: list[Node]) -> Mapping[str, Node]:
    """The deployments by direction."""
    found = [document for document in documents if document["kind"] == "Deployment"]
    return {one["metadata"]["name"].rpartition("-")[2]: one["spec"] for one in found}


def pod_of(deployment: Node) -> Node:
    """The pod's specification."""
    return dict(deployment["template"]["spec"])


def container_of(deployment: Node) -> Node:
    """The only container."""
    (only,) = pod_of(deployment)["containers"]
    return dict(only)


@pytest.fixture(scope="module")
def config(documents: list[Node], tmp_path_factory: pytest.TempPathFactory) -> StreamsConfig:
    """The file that both share, with the variables that both have."""
    (text,) = (document["data"]["streams.toml"] for document in documents if document["kind"] == "ConfigMap")
    file = tmp_path_factory.mktemp("streams") / "streams.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, {"KAFKA_PASSWORD": "secret"})


def test_there_is_one_for_each_direction(deployments: Mapping[str, Node], config: StreamsConfig) -> None:
    """And the file has a part for each."""
    assert set(deployments) == set(DIRECTIONS)
    assert config.export is not None
    assert config.imports is not None
    assert config.client["sasl.password"] == "secret"


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_command_takes_its_flags(deployments: Mapping[str, Node], direction: str) -> None:
    """They name the file where it is mounted, and the port that is declared and scraped."""
    container, pod = container_of(deployments[direction]), pod_of(deployments[direction])
    command, *flags = container["args"]
    assert command == "streams"
    said = _parser().parse_args(flags)
    (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
    assert said.direction == direction
    assert said.config.parent == Path(mount["mountPath"])
    assert volume["configMap"]["name"] == "holdfast-streams"
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [("metrics", said.metrics_port)]
    annotations = deployments[direction]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(said.metrics_port)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_passwords_come_from_secrets(deployments: Mapping[str, Node], direction: str) -> None:
    """None is in a flag, which a list of processes shows."""
    container = container_of(deployments[direction])
    assert {one["name"] for one in container["env"]} == {"PGPASSWORD", "KAFKA_PASSWORD"}
    assert all(set(one["valueFrom"]) == {"secretKeyRef"} for one in container["env"])
    assert not [flag for flag in container["args"] if "$(" in flag or ":holdfast@" in flag]


def test_no_two_exporters_run_at_once(deployments: Mapping[str, Node]) -> None:
    """The older one would end, be started again, and end the other."""
    assert deployments["export"]["replicas"] == 1
    assert deployments["export"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_may_do_nothing_that_it_need_not(deployments: Mapping[str, Node], direction: str) -> None:
    """As the ledger."""
    pod, container = pod_of(deployments[direction]), container_of(deployments[direction])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}

"""A real Kafka broker in KRaft mode on this machine, its jars brought by Maven once for the environment."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from holdfast_bench.ports import unused_port

POM = Path(__file__).with_name("pom.xml")
JARS = Path(sys.prefix) / "kafka"
"""Beside what pip installed, so that it goes with the environment."""

START_TIMEOUT_S = 120
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"


def obstacle() -> str:
    """Says what lacks to run a broker here; empty: nothing."""
    lacking = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return f"a broker needs {' and '.join(lacking)}" if lacking else ""


def fetch() -> None:
    """Brings the jars, if they are not there."""
    if (JARS / "complete").exists():
        return
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    subprocess.run([*command, f"-DoutputDirectory={JARS}"], check=True, timeout=300, stdout=subprocess.DEVNULL)
    (JARS / "complete").touch()


class Broker:
    """One broker with a folder of its own. `stop` it."""

    def __init__(self, folder: Path) -> None:
        fetch()
        port, controller_port = unused_port(), unused_port()
        self.address = f"127.0.0.1:{port}"
        self._log = folder / "broker.log"
        self._properties = folder / "server.properties"
        self._properties.write_text(_PROPERTIES.format(port=port, controller_port=controller_port, folder=folder))
        self._run("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties))
        self._process = self._start()

    def _java(self, *arguments: str) -> list[str]:
        return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{JARS}/*", *arguments]

    def _run(self, *arguments: str) -> None:
        subprocess.run(self._java(*arguments), check=True, timeout=START_TIMEOUT_S, capture_output=True)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)), stdout=log, stderr=subprocess.STDOUT
            )
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                admin.list_topics(timeout=1)
            except KafkaException:
                if process.poll() is not None:
                    break
                time.sleep(0.2)
            else:
                return process
        process.kill()
        raise RuntimeError(f"the broker did not start:\n{self._log.read_text()[-4_000:]}")

    def restart(self) -> None:
        """Kills the broker with SIGKILL and starts it again on the same folder."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = self._start()

    def stop(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()

    def create_topic(self, name: str, partition_count: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Makes a topic."""
        admin = AdminClient({"bootstrap.servers": self.address})
        topic = NewTopic(name, num_partitions=partition_count, replication_factor=1, config=dict(config or {}))
        admin.create_topics([topic])[name].result(START_TIMEOUT_S)

    def read(self, topics: Iterable[str], count: int, timeout_s: float = 90) -> list[tuple[str, bytes, bytes]]:
        """Reads what is committed in topics from their beginning: (topic, key, value), `count` of them or more."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": f"reader-{time.monotonic_ns()}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "allow.auto.create.topics": False,
            }
        )
        consumer.subscribe(list(topics))
        found: list[tuple[str, bytes, bytes]] = []
        deadline = time.monotonic() + timeout_s
        quiet_until = 0.0
        while time.monotonic() < deadline and (len(found) < count or time.monotonic() < quiet_until):
            for message in consumer.consume(1_000, 0.3):
                if message.error() is None:
                    found.append((message.topic() or "", message.key() or b"", message.value() or b""))
                    quiet_until = time.monotonic() + 0.5
        consumer.close()
        return found


_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/logs
num.network.threads=2
num.io.threads=2
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""

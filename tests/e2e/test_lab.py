"""The lab itself: nothing is left of it, also after kill -9; two run at once; faults bite; mistakes are sentences."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import packages
from tests.lab.lab import Lab
from tests.lab.namespaces import LAN4, LAN6
from tests.lab.node import CGROUPS
from tests.lab.shell import LabError, run
from tests.lab.wait import eventually

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
UP = [sys.executable, "-m", "tests.lab"]
# Where daemons of a lab would write if they were not kept from it.
SHARED = (
    "/etc/frr",
    "/run/frr",
    "/var/tmp/frr",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/pods",
    "/run/containerd",
)
SLEEPER = """
apiVersion: v1
kind: Pod
metadata: {name: sleeper}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - {name: sleep, image: "localhost/bb:1", imagePullPolicy: Never, command: [sleep, "SECONDS"]}
"""


def traces(lab: Lab) -> dict[str, list[str]]:
    """What the machine has of a lab, by kind: found by its prefix and folder in the kernel's own lists."""
    signs = (lab.space.prefix, f"{lab.folder}/")
    found = {
        "namespaces": lab.space.existing(),
        "processes": [words for words in command_lines() if any(sign in words for sign in signs)],
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if lab.space.prefix in line],
        "cgroups": [str(path) for path in CGROUPS.glob(f"**/{lab.space.prefix}*")],
        "files": [str(path) for path in (lab.folder, *lab.vanishing(), *lab.router.folders) if path.exists()],
    }
    return {kind: things for kind, things in found.items() if things}


def command_lines() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def surroundings() -> list[str]:
    """What a careless lab would leave outside of its own names; what bears the name of a lab is in `traces`."""
    links = re.findall(r"^\d+: (\S+):", run(["ip", "-o", "link"]), re.MULTILINE)
    paths = [str(path) for folder in SHARED for path in Path(folder).glob("**/*")]
    return sorted([*links, *(path for path in paths if "/hl-" not in path)])


def assert_nothing_is_left(lab: Lab) -> None:
    eventually(lambda: not traces(lab), within=60, what=f"no trace of {lab.name}; there is {traces(lab)}")


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a lab that is removed whatever happens."""
    name = f"t{os.getpid()}"
    try:
        yield name
    finally:
        Lab(name).down()


def test_a_lab_whose_node_lost_power_leaves_nothing_behind(name: str) -> None:
    lab, seconds = Lab(name), f"86{os.getpid()}"
    before = surroundings()
    lab.up(nodes=1)
    lab.kubectl("apply", "-f", "-", input=SLEEPER.replace("SECONDS", seconds))
    lab.kubectl("wait", "--for=condition=Ready", "pod/sleeper", "--timeout=60s")
    assert any(f"sleep {seconds}" in words for words in command_lines())
    lab.crash("node1")
    assert not any(f"sleep {seconds}" in words for words in command_lines()), "the pod outlived its node"
    lab.boot("node1")
    eventually(lambda: any(f"sleep {seconds}" in words for words in command_lines()), within=60, what="the pod again")
    assert set(traces(lab)) == {"namespaces", "processes", "mounts", "cgroups", "files"}
    lab.down()
    assert_nothing_is_left(lab)
    assert not any(f"sleep {seconds}" in words for words in command_lines())
    assert [path for path in surroundings() if path not in before] == []


def test_who_reads_what_down_prints_does_not_wait_for_the_deletion(name: str, tmp_path: Path) -> None:
    """`down | tail` ends with `down`, although files of the lab are still being deleted then."""
    folder = Lab(name).folder
    folder.mkdir(parents=True)
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    (tmp_path / "rm").write_text(f'#!/bin/sh\nread line <{fifo}\nexec /bin/rm "$@"\n')
    (tmp_path / "rm").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [*UP, "--name", name, "down"]
    try:
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=30, check=False)
        assert result.returncode == 0
        assert Lab(name).vanishing(), "the deletion was to wait for us"
    finally:
        os.write(os.open(fifo, os.O_RDWR), b"go on\n")  # which never waits for a reader
    assert_nothing_is_left(Lab(name))


def up_killed_at(name: str, moment: str) -> None:
    """Start `up` by the command line, and kill it -9 when it says that it has come to that moment."""
    command = [*UP, "--name", name, "up", "--nodes", "1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        said = next((line for line in process.stderr if line.rstrip().endswith(f": {moment}")), None)
        process.kill()
    assert said is not None, f"up never came to {moment!r}"


@pytest.mark.parametrize("moment", ["network", "control plane", "router", "1 nodes"])
def test_nothing_is_left_of_an_up_that_was_killed(name: str, moment: str) -> None:
    up_killed_at(name, moment)
    assert traces(Lab(name)), "killed too early to leave anything"
    subprocess.run([*UP, "--name", name, "down"], cwd=ROOT, check=True)
    assert_nothing_is_left(Lab(name))


def test_up_heals_what_a_killed_up_left(name: str) -> None:
    up_killed_at(name, "1 nodes")
    lab = Lab(name)
    lab.up(nodes=0, router=False)
    assert "default" in lab.kubectl("get", "namespaces", "-o", "name")
    assert "node1" not in lab.space.existing()


def test_two_labs_run_side_by_side_and_removing_one_leaves_the_other(api: Lab, name: str) -> None:
    other = Lab(name)
    other.up(nodes=0, router=False)
    other.kubectl("create", "namespace", "only-in-the-other")
    assert "only-in-the-other" not in api.kubectl("get", "namespaces", "-o", "name")
    processes = api.space.processes().keys()
    other.down()
    assert api.space.processes().keys() >= processes
    assert "default" in api.kubectl("get", "namespaces", "-o", "name")


# --- faults


def ping(lab: Lab, sender: str, receiver: str) -> bool:
    return lab.try_run(sender, "ping", "-c", "1", "-W", "0.3", receiver).returncode == 0


def test_a_cut_link_is_silent_until_it_is_restored(api: Lab) -> None:
    assert ping(api, "cli", f"{LAN4}.5")
    assert ping(api, "cli", f"{LAN6}::5")
    api.cut_link("cp")
    try:
        assert not ping(api, "cli", f"{LAN4}.5")
    finally:
        api.restore_link("cp")
    eventually(lambda: ping(api, "cli", f"{LAN4}.5"), within=10, what="an answer over the restored link")


def test_a_partition_of_two_leaves_the_third_and_may_be_one_way(api: Lab) -> None:
    def echoes_at_cp() -> int:
        return int(api.run("cp", "nstat", "-az", "IcmpInEchos").split()[-2])

    assert ping(api, "cli", f"{LAN4}.5")
    api.partition("cp", "cli", both=False)
    try:
        before = echoes_at_cp()
        assert not ping(api, "cli", f"{LAN4}.5")
        assert echoes_at_cp() == before + 1, "the request should arrive, only the answer be lost"
        assert ping(api, "cli", f"{LAN4}.1")
    finally:
        api.heal_partitions()
    assert ping(api, "cli", f"{LAN4}.5")


def test_frames_are_lost_by_about_the_share_asked_for(api: Lab) -> None:
    def lost() -> float:
        output = api.try_run("cli", "ping", "-q", "-i", "0.002", "-c", "400", "-W", "0.2", f"{LAN4}.5").stdout
        found = re.search(r"([\d.]+)% packet loss", output)
        assert found is not None, output
        return float(found[1])

    assert ping(api, "cli", f"{LAN4}.5")
    api.lose("cli", 30)
    try:
        assert 15 < lost() < 45
    finally:
        api.lose("cli", 0)
    assert lost() == 0


def test_a_delayed_link_adds_its_delay_both_ways_and_is_fast_again_afterwards(api: Lab) -> None:
    def round_trip() -> float:
        output = api.run("cli", "ping", "-q", "-c", "5", "-i", "0.05", "-W", "1", f"{LAN4}.5")
        found = re.search(r"= ([\d.]+)/", output)
        assert found is not None, output
        return float(found[1])

    assert round_trip() < 20
    api.delay("cli", 30)
    try:
        assert 60 <= round_trip() < 100
        assert api.try_run("cli", "curl", "-sk", "-m", "5", "--noproxy", "*", f"https://{LAN4}.5:6443/version").stdout
    finally:
        api.undelay("cli")
    eventually(lambda: round_trip() < 20, within=10, what="the fast link again")


def test_a_frozen_api_server_answers_again_when_it_is_thawed(api: Lab) -> None:
    [pid] = api.space.find("cp", "/kube-apiserver ")
    api.freeze(pid)
    try:
        assert not api.control_plane.ready()
    finally:
        api.thaw(pid)
    eventually(api.control_plane.ready, within=10, what="the API server answers")


# --- what a person sees when something is missing


def test_a_missing_program_is_a_sentence_without_a_traceback(name: str, tmp_path: Path) -> None:
    if go := shutil.which("go"):
        (tmp_path / "go").symlink_to(go)
    search = {**os.environ, "PATH": str(tmp_path)}
    command = [*UP, "--name", name, "up", "--api-only"]
    result = subprocess.run(command, cwd=ROOT, env=search, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert re.search(r"^lab: the program \S+ is missing; .* installs what it needs$", result.stderr, re.MULTILINE)
    assert "Traceback" not in result.stderr


def test_a_missing_package_that_cannot_be_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packages.NEEDED, "frr-of-another-world", "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LabError, match="needs Debian's packages frr-of-another-world; this machine has no apt-get"):
        packages.install()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--name", "nowhere", "kubectl", "get", "nodes"], "there is no lab 'nowhere'"),
        (["--name", "nowhere", "load"], "there is no lab 'nowhere'"),
        (["--name", "Not-A-Name", "up"], "must be 1 to 12 lower-case letters and digits"),
        (["build", "everything"], "cannot build 'everything'; choose from"),
    ],
)
def test_a_mistake_on_the_command_line_is_a_sentence(words: list[str], sentence: str) -> None:
    result = subprocess.run([*UP, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr

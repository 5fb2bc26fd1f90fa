"""The Ray runner, on a real Ray that one fixture starts; a child process joins it by address."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from sweep_tasks import Raises, Reports, Steps, WaitsFor

from tinyedge.errors import TargetUnavailable, TrainingError, UsageError
from tinyedge.sweep import on_ray
from tinyedge.sweep.on_ray import RayRunner
from tinyedge.sweep.runner import Resources


@pytest.fixture
def runner(local_ray, noise):
    runner = RayRunner(noise)
    yield runner
    runner.close()
    assert local_ray.is_initialized()


@pytest.fixture
def cpus(local_ray):
    return int(local_ray.cluster_resources()["CPU"])


def drain(runner, *tasks, inputs=None, seconds=None):
    """Every event of the tasks, in order, by name."""
    events = {task.name: [] for task in tasks}
    for task in tasks:
        runner.submit(task, inputs or {}, seconds=seconds)
    while not all(found and found[-1].delivery is None for found in events.values()):
        for event in runner.wait():
            events[event.task.name].append(event)
    return events


def test_deliveries_are_those_of_the_task_performed_here(runner, noise):
    inputs = {"state": b"begun", "other": bytes(300_000)}
    tasks = [Steps("small"), Steps("large", count=9, size=100_000), *(Steps(f"many {i}", count=i) for i in range(5))]
    events = drain(runner, *tasks, inputs=inputs)
    for task in tasks:
        *delivered, end = events[task.name]
        assert [e.delivery for e in delivered] == list(task.perform(inputs, noise, seconds=None))
        assert (end.delivery, end.error, end.lost) == (None, None, False)
    assert list(runner.wait()) == []


def test_deliveries_arrive_while_their_tasks_go_on_side_by_side(runner, tmp_path):
    tasks = [WaitsFor("one", tmp_path / "go on"), WaitsFor("two", tmp_path / "go on")]
    for task in tasks:
        runner.submit(task, {}, seconds=None)
    first = {}
    while len(first) < 2:
        first |= {event.task.name: event.delivery for event in runner.wait()}
    assert len({delivery.files["pid"] for delivery in first.values()}) == 2
    assert not any(delivery.record for delivery in first.values())
    (tmp_path / "go on").touch()
    rest = []
    while len(rest) < 4:
        rest += runner.wait()
    assert [e.delivery.record for e in rest if e.delivery] == [{"done": True}] * 2


@pytest.mark.parametrize(
    "error",
    [
        TrainingError("the run diverged", where="epoch 3", found="nan", expected="a number", fix="a lower rate"),
        ZeroDivisionError("of the task itself"),
    ],
)
def test_an_error_arrives_as_itself_after_what_was_delivered(runner, error):
    before, event = drain(runner, Raises("fails", error))["fails"]
    assert before.delivery.files == {"before": b"the error"}
    assert type(event.error) is type(error)
    assert str(event.error) == str(error)
    assert "sweep_tasks.py" in str(event.error.__cause__), "where in the worker"
    assert not event.lost


def test_tasks_read_shared_data_without_a_warning_on_the_threads_that_they_asked_for(runner, noise, cpus):
    for task in (Reports("all", Resources(cpus=cpus)), Reports("half", Resources(cpus=0.5, memory_bytes=2**20))):
        facts = drain(runner, task)[task.name][0].delivery.record
        assert facts == {
            "writeable": False,
            "sum": int(noise["train"].images.sum(dtype=np.int64)),
            "warnings": [],
            "threads": max(1, int(task.resources.cpus)),
            "gpus": "",
            "seconds": None,
            "splits": ["train"],
        }


def test_time_in_the_queue_counts(runner):
    task = Reports("timed", Resources(cpus=0.5))
    seconds = drain(runner, task, seconds=1000)["timed"][0].delivery.record["seconds"]
    assert 0 < seconds < 1000
    (end,) = drain(runner, task, seconds=0)["timed"]
    assert (end.delivery, end.error, end.lost) == (None, None, False)


def test_a_node_with_another_version_ends_the_sweep(runner, monkeypatch):
    actual = on_ray.__version__
    monkeypatch.setattr(on_ray, "__version__", "99.0")
    runner.submit(Steps("any"), {}, seconds=None)
    with pytest.raises(UsageError, match="does not have this tinyedge") as caught:
        list(runner.wait())
    assert caught.value.found == actual
    assert "99.0" in caught.value.expected
    assert "tinyedge[train,export,scale]==99.0" in caught.value.fix


def test_a_killed_worker_is_a_lost_task_and_goes_on_with_what_it_delivered(runner, tmp_path):
    task = WaitsFor("killed", tmp_path / "go on")
    runner.submit(task, {}, seconds=None)
    (first,) = runner.wait()
    os.kill(int(first.delivery.files["pid"]), signal.SIGKILL)
    (event,) = runner.wait()
    assert (event.task, event.lost, event.delivery, event.error) == (task, True, None, None)
    assert list(runner.wait()) == [], "Ray does not try again by itself"

    (tmp_path / "go on").touch()
    _, finished, end = drain(runner, task, inputs=first.delivery.files)["killed"]
    assert finished.delivery.files == first.delivery.files
    assert finished.delivery.record == {"done": True}
    assert (end.error, end.lost) == (None, False)


def test_free_counts_the_cpus_that_no_task_has_asked_for(runner, cpus, tmp_path):
    assert runner.free() == cpus
    runner.submit(WaitsFor("all", tmp_path / "never", resources=Resources(cpus=cpus)), {}, seconds=None)
    assert runner.free() == 0
    runner.close()
    assert list(runner.wait()) == []


def test_gpus_are_those_of_every_node(runner, local_ray, monkeypatch):
    assert runner.gpus() == local_ray.cluster_resources().get("GPU", 0.0)
    monkeypatch.setattr(runner, "_nodes", lambda: [{"CPU": 8.0}, {"CPU": 4.0, "GPU": 2.0}, {"GPU": 1.0}])
    assert runner.gpus() == 3.0


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Resources(cpus=1e6), "1e+06 CPUs"),
        (Resources(gpus=1000), "1000 GPUs"),
        (Resources(memory_bytes=2**60), "1073741824.0 GiB"),
    ],
)
def test_resources_that_no_node_has_are_refused(runner, wanted, words):
    with pytest.raises(TargetUnavailable, match="large enough") as caught:
        runner.submit(Steps("huge", resources=wanted), {}, seconds=None)
    assert words in caught.value.expected
    assert "CPUs" in caught.value.found
    assert caught.value.where == "huge"


def test_a_cluster_that_shrinks_below_a_waiting_task_is_an_error(runner, tmp_path, monkeypatch):
    runner.submit(WaitsFor("waits", tmp_path / "never"), {}, seconds=None)
    list(runner.wait())
    monkeypatch.setattr(on_ray, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(runner, "_nodes", list)
    with pytest.raises(TargetUnavailable, match="no node"):
        list(runner.wait())


HIDES_TINYEDGE = """
import sys
class Hides:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tinyedge":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hides())
"""


def test_a_node_without_tinyedge_ends_the_sweep(runner, monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HIDES_TINYEDGE)
    bare = partial(runner._on_cpu.options, runtime_env={"env_vars": {"PYTHONPATH": str(tmp_path)}})
    monkeypatch.setattr(runner, "_on_cpu", SimpleNamespace(options=bare))
    runner.submit(Steps("any"), {}, seconds=None)
    with pytest.raises(UsageError, match="does not have this tinyedge") as caught:
        list(runner.wait())
    assert caught.value.where.startswith("ip=")
    assert "none" in caught.value.found
    assert on_ray.__version__ in caught.value.fix


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TargetUnavailable, match="needs the package ray") as caught:
        RayRunner({})
    assert caught.value.fix == "pip install 'tinyedge[scale]'"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("nowhere", "Invalid address format: nowhere"),
        ("ray://127.0.0.1:10001", "ray://127.0.0.1:10001"),
    ],
)
def test_an_address_that_is_none_is_refused(address, found):
    with pytest.raises(UsageError, match="Ray c") as caught:
        RayRunner({}, address)
    assert found in caught.value.found
    assert "host:port" in caught.value.expected


def test_an_address_where_nothing_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(on_ray, "JOIN_SECONDS", 1)
    with pytest.raises(UsageError, match="cannot be joined") as caught:
        RayRunner({}, "127.0.0.1:1")
    assert caught.value.where == "127.0.0.1:1"
    assert caught.value.found == "no answer within 1 s"


JOINS = """
import signal
import sys
from pathlib import Path
from sweep_tasks import WaitsFor
from tinyedge.sweep.on_ray import RayRunner

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started deaf to it
address, file = sys.argv[1:]
runner = RayRunner({}, address)
try:
    runner.submit(WaitsFor("waits", Path(file)), {}, seconds=None)
    while True:
        for event in runner.wait():
            print(event.delivery.files["pid"].decode(), flush=True)
finally:
    runner.close()
"""


def test_a_cluster_joined_by_address_outlives_an_interrupt_that_cancels_what_ran(local_ray, runner, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    address = local_ray.get_runtime_context().gcs_address
    command = [sys.executable, "-W", "error", "-c", JOINS, address, tmp_path / "never"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        worker = int(child.stdout.readline())
        assert alive(worker)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate()
    assert child.returncode == -signal.SIGINT, errors
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    for _ in range(600):
        if not alive(worker):
            break
        time.sleep(0.1)
    assert not alive(worker)
    assert len(drain(runner, Steps("after"))["after"]) == 4


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

"""`isptoolkit unprocess --engine ray` on a real cluster of two nodes, one of which is killed at work."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from isptoolkit import errors
from isptoolkit.unprocess.files import Job, unprocess_all
from isptoolkit.unprocess.ray import by_ray

COUNT = 14

SCRIPT = """
import sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from isptoolkit.unprocess import Job, unprocess_all
from isptoolkit.unprocess.ray import by_ray

photos, out = Path(sys.argv[1]), Path(sys.argv[2])
room = {"num_cpus": 1, "object_store_memory": 90_000_000}
cluster = Cluster(initialize_head=True, head_node_args=room)
worker = cluster.add_node(**room)
ray.init(address=cluster.address, log_to_driver=False)
assert len([node for node in ray.nodes() if node["Alive"]]) == 2
killed = threading.Event()

def on_file(done, total):
    if done >= 2 and not killed.is_set():
        killed.set()
        cluster.remove_node(worker, allow_graceful=False)

made, failed = unprocess_all([photos], out, Job(), on_file, by_ray)
print(made, len(failed), killed.is_set(), len([node for node in ray.nodes() if node["Alive"]]), flush=True)
ray.shutdown()
cluster.shutdown()
"""


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.dng")}


@pytest.mark.slow
def test_a_cluster_that_loses_a_node_makes_the_same_files(tmp_path):
    pytest.importorskip("ray", reason="needs Ray: pip install isptoolkit[ray]")
    (tmp_path / "photos").mkdir()
    for index in range(COUNT):
        codes = np.random.default_rng(index).integers(0, 255, (4, 6, 3), dtype=np.uint8)
        Image.fromarray(codes).resize((900, 600)).save(tmp_path / "photos" / f"{index:02}.png")
    unprocess_all([tmp_path / "photos"], tmp_path / "one", Job())
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "photos"), str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-4:] == [str(COUNT), "0", "True", "1"]
    assert files(tmp_path / "one") == files(tmp_path / "two")
    lines = [
        sorted((json.loads(line) for line in (tmp_path / name / "manifest.jsonl").read_text().splitlines()), key=str)
        for name in ("one", "two")
    ]
    by_output = [{line["output"]: line for line in found} for found in lines]
    assert len(lines[1]) == len(by_output[1]) == COUNT
    assert by_output[0] == by_output[1]


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(errors.MissingPackage, match=r"isptoolkit\[ray\]"):
        next(by_ray({}, Job()))

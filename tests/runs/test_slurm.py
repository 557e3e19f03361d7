"""Grids on a real SLURM of one node, which the test starts for itself."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys

import pytest
from waiting import wait_for

from stbench.config.options import RunOptions
from stbench.runs.benchmark import run
from stbench.runs.results import Results

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("slurmctld", "slurmd", "sbatch"))),
    reason="SLURM is not here (Debian: slurm-wlm)",
)

CONFIG = """
ClusterName=one
SlurmctldHost=localhost
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
NodeName=localhost CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(n):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory):
    """A controller and a node, found by the commands of SLURM through ``SLURM_CONF``."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(user=getpass.getuser(), folder=folder, ports=free_ports(2)))
    daemons = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(config))
        for call in (["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", "localhost"]):
            with (folder / f"{call[0]}.log").open("w") as log:
                daemons.append(subprocess.Popen(call, stdout=log, stderr=log))
        try:
            wait_for(lambda: "idle" in subprocess.run(["sinfo"], capture_output=True, text=True).stdout, 60)
            yield
        finally:
            for daemon in daemons:
                daemon.kill()
                daemon.wait()


def statuses(out):
    return sorted((r["method"], r["status"]) for r in Results.open(out).manifests())


def test_an_emitted_array_makes_its_runs(data_folder, tmp_path):
    out = tmp_path / "out"
    command = ["run", "--methods", "mean,random", "--datasets", "planted", "--data", str(data_folder)]
    command += ["--splits", "2", "--emit", "slurm", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "stbench", *command], check=True, env=os.environ)
    done = subprocess.run(["sbatch", "--wait", out / "slurm" / "cpu-0.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert statuses(out) == [("mean", "ok")] * 2 + [("random", "ok")] * 2


def test_dask_jobqueue_gets_its_workers_from_it(data_folder, tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text(
        'class = "dask_jobqueue.SLURMCluster"\njobs = 1\n[options]\nqueue = "all"\ncores = 1\n'
        'processes = 1\nmemory = "2GB"\nwalltime = "00:10:00"\ninterface = "lo"\n'
        f'log_directory = "{tmp_path}"\n'
    )
    config = RunOptions(
        methods=("mean",),
        datasets=("planted",),
        data=(data_folder,),
        out=tmp_path / "out",
        executor="dask",
        cluster=file,
    )
    run(config)
    assert statuses(tmp_path / "out") == [("mean", "ok")]
    wait_for(
        lambda: len(subprocess.run(["squeue"], capture_output=True, text=True).stdout.splitlines()) == 1
    )  # the grid gave its job back

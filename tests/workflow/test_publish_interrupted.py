"""Publishing killed at every step, carried to the end afterwards; old commits; a user's remote on S3 and SSH."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bam.publish import STEPS
from tests.workflow.checkout import Checkout
from tests.workflow.publishing import clone, commit, git, make_repository, publish

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpublished(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The small study in a git repository, with a run that its config does not name."""
    repository = make_repository(finished, tmp_path_factory.mktemp("unpublished") / "repository")
    for top in ("predictions", "weights"):
        stale = repository.results / top / "train" / "erm-old-seed0-00000000"
        shutil.copytree(next((repository.results / top / "train").glob("erm-*")), stale)
    return repository


def killed_at(repository: Checkout, words: str, delay_s: float) -> None:
    """Start publishing and kill it, with all that it started, some time after it says `words`."""
    environment = {**os.environ, "PYTHONPATH": str(repository.folder)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = (sys.executable, "-m", "bam", "publish", "config/small.yaml")
    said = repository.folder.parent / "said.txt"
    with (
        open(said, "w", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            cwd=repository.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(f"publish: {words}"):
                time.sleep(delay_s)
                break
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, f"never said {words}: {said.read_text()[-500:]}"
    # A killed git leaves its lock and says that a person should remove it.
    (repository.folder / ".git" / "index.lock").unlink(missing_ok=True)


def test_killed_at_every_step_it_leaves_no_lie_and_the_next_call_finishes(unpublished, tmp_path):
    for name in ("straight", "killed"):
        shutil.copytree(unpublished.folder, tmp_path / name, symlinks=True)
    straight, killed = Checkout(tmp_path / "straight"), Checkout(tmp_path / "killed")
    straight.bam("publish", "config/small.yaml")
    for place, (words, _) in enumerate(STEPS):
        killed_at(killed, words, delay_s=0.4 * (place % 3))
        staged = git(killed.folder, "diff", "--cached", "--name-only").splitlines()
        assert not staged or words == STEPS[-1][0], (words, staged)
        assert "12 of 12 runs are there and match" in killed.bam("verify", "config/small.yaml").stdout, words
    killed.bam("publish", "config/small.yaml")
    assert git(killed.folder, "write-tree") == git(straight.folder, "write-tree")
    git(killed.folder, "commit", "--quiet", "--message", "publish")
    assert git(killed.folder, "status", "--short") == ""
    pulled = clone(killed, tmp_path / "clone")
    pulled.bam("pull")
    assert pulled.trainings() == {}
    assert not list(pulled.results.glob("predictions/train/erm-old*"))


def test_an_old_commit_brings_its_results_back(finished, tmp_path, study):
    repository = make_repository(finished, tmp_path / "repository")
    publish(repository)
    study["methods"]["bam"]["stage1"]["epochs"] = [3]
    study["methods"]["erm"]["epochs"] = 2
    repository.write(study)
    repository.snakemake("all")
    commit(repository.folder, "another config")
    publish(repository)
    names = {path.name for path in repository.results.glob("predictions/*/*")}

    pulled = clone(repository, tmp_path / "clone")
    pulled.bam("pull")
    assert {path.name for path in pulled.results.glob("predictions/*/*")} == names
    git(pulled.folder, "checkout", "--quiet", git(repository.folder, "rev-parse", "HEAD~2").strip())
    assert "12 of 12 runs are there and match" in pulled.bam("pull").stdout
    before = {path.name for path in finished.results.glob("predictions/*/*")}
    assert {path.name for path in pulled.results.glob("predictions/*/*")} == before != names
    assert pulled.trainings() == {}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An S3 server on this machine, with an empty bucket `study`; the fixture is how DVC is told of it."""
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="study")
    yield {"url": "s3://study/bam", "endpointurl": address}
    server.stop()


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An SSH server on this machine that asks for a password; the fixture is how DVC is told of it."""
    import asyncssh

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("me", "secret")

    async def listen() -> asyncssh.SSHAcceptor:
        keys = [asyncssh.generate_private_key("ssh-ed25519")]
        return await asyncssh.create_server(Server, "127.0.0.1", 0, server_host_keys=keys, sftp_factory=True)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    yield {"url": f"ssh://me@127.0.0.1:{server.get_port()}{tmp_path}/served", "password": "secret"}
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def name_the_store(checkout: Checkout, options: dict[str, str]) -> None:
    for option, value in options.items():
        checkout.run("dvc", "remote", "modify", "--local", "store", option, value)


def test_weights_and_inputs_go_to_a_user_s_store_and_come_back(unpublished, s3, ssh, tmp_path):
    shutil.copytree(unpublished.folder, tmp_path / "mine", symlinks=True)
    mine = Checkout(tmp_path / "mine")
    name_the_store(mine, s3)
    publish(mine)
    pulled = clone(mine, tmp_path / "clone")
    name_the_store(pulled, s3)
    said = pulled.bam("pull", "--weights", "--inputs").stdout
    assert said == "small: 12 of 12 runs are there and match code, config, data and their records\n"
    assert list(mine.results.glob("weights/*/*/*.safetensors"))
    for path in mine.results.glob("weights/*/*/*.safetensors"):
        assert (pulled.results / path.relative_to(mine.results)).read_bytes() == path.read_bytes()
    study_config = pulled.folder / "config" / "small.yaml"
    study_config.write_text(study_config.read_text().replace("upweight_factor: 5", "upweight_factor: 7"))
    assert pulled.trainings() == {"stage2": 4}
    assert "prepare" not in pulled.planned()

    mine.run("dvc", "remote", "modify", "--local", "--unset", "store", "endpointurl")
    name_the_store(mine, ssh)
    mine.run("dvc", "push", "large/dvc.yaml")
    elsewhere = clone(mine, tmp_path / "elsewhere")
    name_the_store(elsewhere, ssh)
    elsewhere.run("dvc", "pull", "large/dvc.yaml")
    kept = [*mine.results.glob("weights/*/*/*.safetensors"), *mine.folder.glob("data/prepared/*/*/inputs.npy")]
    for path in kept:
        assert (elsewhere.folder / path.relative_to(mine.folder)).read_bytes() == path.read_bytes()

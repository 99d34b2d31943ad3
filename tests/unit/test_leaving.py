"""How the `bam` process ends: at once, with its status, and with nothing left undone."""

import os
import subprocess
import sys

import pytest

START = "import sys; from bam.cli.app import main; sys.argv = ['bam', *{arguments}]\n"


def left(before: str, arguments: list[str], **options) -> subprocess.CompletedProcess[str]:
    """Run `main` in a process of its own, after some statements."""
    code = before + "\n" + START.format(arguments=arguments) + "main()"
    # Unbuffered output would need no flush.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run([sys.executable, "-c", code], text=True, check=False, env=environment, **options)


@pytest.mark.parametrize(("arguments", "status"), [(["--version"], 0), (["table"], 2), (["export", "no-such-run"], 2)])
def test_the_status_is_that_of_the_command(arguments, status):
    assert left("", arguments, capture_output=True).returncode == status


def test_what_is_to_happen_at_exit_happens_and_is_seen():
    found = left("import atexit; atexit.register(print, 'put away')", ["--version"], stdout=subprocess.PIPE)
    assert found.stdout.splitlines()[1:] == ["put away"]
    assert found.returncode == 0


def test_a_thread_that_still_runs_is_waited_for():
    slow = "import threading, time\nthreading.Thread(target=lambda: (time.sleep(1), print('finished'))).start()"
    found = left(slow, ["--version"], stdout=subprocess.PIPE)
    assert found.stdout.splitlines()[1:] == ["finished"]
    assert found.returncode == 0


def test_modules_are_not_taken_apart():
    module = "class Last:\n    def __del__(self): print('torn down')\nlast = Last()"
    ordinary = subprocess.run([sys.executable, "-c", module], capture_output=True, text=True, check=True)
    assert ordinary.stdout.strip() == "torn down"
    assert "torn down" not in left(module, ["--version"], stdout=subprocess.PIPE).stdout


def test_output_that_cannot_be_written_is_no_success():
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert left("", ["--help"], stdout=full, stderr=subprocess.DEVNULL).returncode != 0


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_process_that_began_without_an_output_ends_with_its_status(closed):
    for arguments, status in ((["--version"], 0), (["spec", "nosuch.yaml", "--method", "bam"], 2)):
        assert left(f"import sys; sys.{closed} = None", arguments, capture_output=True).returncode == status


def test_a_profiler_sees_the_end(tmp_path):
    profile = tmp_path / "bam.prof"
    command = [sys.executable, "-m", "cProfile", "-o", str(profile), "-m", "bam", "--version"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert profile.stat().st_size > 0

"""The few calls that Snakemake makes to `conda`, answered from pip's packages.

For machines that reach no conda channel. An environment is a virtual environment with the packages of the
environment file under pip's names at the same versions: by default those of the Python that runs this, once each is
found there at the version asked for; with BAM_CONDA_FULL=1 they are installed by pip. Python itself is the one that
runs this, whatever the file asks for.

It shows that Snakemake makes, names, activates and uses the environment, and that the file's versions exist and work
together as pip's packages. It says nothing about what a channel has.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))
from conda_names import PIP_NAMES  # noqa: E402


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def requirements(file: Path) -> dict[str, str]:
    """Return pip's name -> version, without Python."""
    dependencies = yaml.safe_load(file.read_text())["dependencies"]
    pinned = dict(entry.split("=", 1) for entry in dependencies if isinstance(entry, str))
    pinned.pop("python", None)
    return {PIP_NAMES.get(name, name): version for name, version in pinned.items()}


def unsatisfied(wanted: dict[str, str]) -> list[str]:
    found = []
    for name, version in wanted.items():
        try:
            there = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            there = "nothing"
        if there != version:
            found.append(f"  - {name}={version} (there is {there})")
    return found


def create(file: Path, prefix: Path) -> None:
    wanted = requirements(file)
    full = os.environ.get("BAM_CONDA_FULL") == "1"
    if not full and (missing := unsatisfied(wanted)):
        sys.exit("\n".join(["PackagesNotFoundError: not among pip's packages here:", *missing]))
    subprocess.run([sys.executable, "-m", "venv", *([] if full else ["--without-pip"]), str(prefix)], check=True)
    if full:
        pins = [f"{name}=={version}" for name, version in wanted.items()]
        subprocess.run([prefix / "bin" / "python", "-m", "pip", "install", "--quiet", *pins], check=True)
    else:
        # As a path alone, so that the project's own editable installation does not come along.
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        link = prefix / "lib" / version / "site-packages" / "packages.pth"
        link.write_text(sysconfig.get_paths()["purelib"] + "\n")
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "history").touch()


def main(arguments: list[str]) -> None:
    match arguments:
        case ["--version"]:
            print("conda 26.9.4")
        case ["info", *_]:
            print(json.dumps({"conda_prefix": str(HOME), "root_prefix": str(HOME), "platform": "linux-64", "envs": []}))
        case ["config", "--get", *_]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", *rest]:
            create(Path(option(rest, "--file")), Path(option(rest, "--prefix")))
        case ["env", "remove", *rest]:
            shutil.rmtree(option(rest, "--prefix"), ignore_errors=True)
        case ["clean", *_]:
            pass
        case _:
            sys.exit(f"conda stand-in: not one of the calls that Snakemake makes: {arguments}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""A git repository with the small study done in it, and what tests do with clones of it."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.workflow.checkout import REPOSITORY, Checkout

PARTS = (
    "docs",
    "benchmarks",
    "README.md",
    "dvc.yaml",
    "large",
    ".dvc",
    ".dvcignore",
    ".gitattributes",
    ".gitignore",
    "artifacts",
)
NOTHING = "data: {}\ngroups: {}\nmodels: {}\nsegments: {}\nstudies: {}\n"
LOCKS = ("dvc.lock", "large/dvc.lock")
BY = ("", "_by_errors", "_by_groups")
ANALYSIS = {*(f"{step}{by}" for step in ("select", "evaluate") for by in BY), "table", "figure", "report"}


def git(folder: Path, *arguments: str) -> str:
    command = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments)
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def make_repository(finished: Checkout, folder: Path) -> Checkout:
    """Return a copy of the finished study as a git repository in which nothing is published yet."""
    shutil.copytree(finished.folder, folder, symlinks=True)
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(
                source, folder / part, ignore=shutil.ignore_patterns("tmp", "cache", "store", "config.local")
            )
        else:
            shutil.copy2(source, folder / part)
    shutil.rmtree(folder / "artifacts" / "files", ignore_errors=True)
    for name in LOCKS:
        (folder / name).unlink(missing_ok=True)
    (folder / "published.yaml").write_text(NOTHING)
    git(folder, "init", "--quiet")
    for key, value in (("user.name", "test"), ("user.email", "test@example.org")):
        git(folder, "config", key, value)
    commit(folder, "start")
    return Checkout(folder)


def commit(folder: Path, words: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", words)


def publish(repository: Checkout) -> None:
    repository.bam("publish", "config/small.yaml", "--commit", "publish")


def clone(repository: Checkout, folder: Path, commit: str = "HEAD") -> Checkout:
    git(repository.folder, "clone", "--quiet", str(repository.folder), str(folder))
    git(folder, "checkout", "--quiet", git(repository.folder, "rev-parse", commit).strip())
    return Checkout(folder)


def cached(checkout: Checkout, *targets: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in the profile without rules that train."""
    options = ("--cores", "2", "--workflow-profile", "workflow/profiles/cached", "--configfile", "config/small.yaml")
    return checkout.run("snakemake", *options, "--", *targets, expect=expect)


def shuffle_time_stamps(checkout: Checkout) -> None:
    """Give every file of data and results a time of its own, in an order that says nothing."""
    paths = sorted(p for top in ("data", "results") for p in (checkout.folder / top).rglob("*") if p.is_file())
    for place, path in enumerate(paths):
        stamp = 1.0e9 + (place * 7919) % 10007
        os.utime(path, (stamp, stamp))


def an_object(repository: Checkout, path: Path) -> Path:
    """Return where `artifacts` has a file's bytes."""
    import hashlib

    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return repository.folder / "artifacts" / "files" / "md5" / md5[:2] / md5[2:]

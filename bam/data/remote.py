"""From a server's file to a raw file: download, unpack, compare with the hash, keep aside what is wrong."""

import logging
import shutil
from pathlib import Path, PurePosixPath
from typing import Self
from urllib.parse import urlsplit

from bam.data.download import Downloads, Patience, discard, forget
from bam.data.members import problem as problem_of
from bam.data.sources import RawFile, UrlSource
from bam.data.unpack import RefusedError, Seen, look, unpacked, writing
from bam.files import short_hash

ARCHIVES = ".archives"
logger = logging.getLogger(__name__)


def beside(target: Path, ending: str) -> Path:
    """Return the path of a companion of `target`, in the same folder."""
    return target.with_name(f"{target.name}.{ending}")


class Remote:
    """The servers' files of one raw set; an archive is downloaded once for all files in it."""

    def __init__(self, folder: Path, patience: Patience) -> None:
        self._archives = folder / ARCHIVES
        self._downloads = Downloads(patience)
        self._whole: set[Path] = set()
        self._suspect: set[Path] = set()
        self._failed: dict[str, str] = {}

    def take(self, source: UrlSource, raw_file: RawFile, target: Path) -> None:
        """Download, unpack and check one file.

        Raises
        ------
        RefusedError
            If the server does not hand out a file of the right contents. Wrong ones are kept as
            `<target>.rejected`: the contents, or what was downloaded if it cannot be unpacked.
        """
        container, is_whole = self._get(source, target)
        problem = self._settle(source, container, raw_file, target, keep=is_whole)
        if problem is not None and not is_whole:
            logger.info("%s %s; downloading it again, whole", source.url, problem)
            discard(container)
            container, _ = self._get(source, target)
            self._whole.add(container)
            problem = self._settle(source, container, raw_file, target, keep=True)
        if problem is not None:
            raise RefusedError(problem)

    def __enter__(self) -> Self:
        """Begin; the end removes archives."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove archives: all when every file is there, else those that held something wrong."""
        for archive in self._suspect:
            discard(archive)
        if kind is None:
            shutil.rmtree(self._archives, ignore_errors=True)

    def _get(self, source: UrlSource, target: Path) -> tuple[Path, bool]:
        """Return what was downloaded, and whether it came whole and in this run."""
        if _is_archive(source):
            return self._get_archive(source.url)
        part = beside(target, "part")
        return part, not self._downloads.get(source.url, part)

    def _get_archive(self, url: str) -> tuple[Path, bool]:
        archive = self._archives / f"{short_hash(url)}-{PurePosixPath(urlsplit(url).path).name}"
        if url in self._failed:
            raise RefusedError(f"is not asked again: it {self._failed[url]}")
        if not archive.exists():
            part = beside(archive, "part")
            try:
                is_resumed = self._downloads.get(url, part)
            except RefusedError as error:
                self._failed[url] = str(error)
                raise
            with writing(archive):
                part.replace(archive)
            forget(part)
            if not is_resumed:
                self._whole.add(archive)
        return archive, archive in self._whole

    def _settle(self, source: UrlSource, container: Path, raw_file: RawFile, target: Path, *, keep: bool) -> str | None:
        """Give right contents their name and return None; else say what is wrong, and keep it if asked to."""
        aside = beside(target, "rejected") if keep else None
        try:
            if source.unpack is None:
                problem = _name(container, look(container, raw_file), raw_file, target, aside)
            else:
                with unpacked(container, source, raw_file, target) as (contents, seen):
                    problem = _name(contents, seen, raw_file, target, aside)
        except RefusedError as error:
            problem = str(error)
            if aside is not None and not _is_archive(source):
                with writing(aside):
                    container.replace(aside)
        if not _is_archive(source):
            discard(container)
        elif problem is not None:
            self._suspect.add(container)
        return problem


def _is_archive(source: UrlSource) -> bool:
    return source.unpack in ("zip", "tar")


def _name(contents: Path, seen: Seen, raw_file: RawFile, target: Path, aside: Path | None) -> str | None:
    """Rename right contents to `target`, and wrong ones to `aside`."""
    problem = problem_of(contents, seen, raw_file)
    goal = target if problem is None else aside
    if goal is not None:
        with writing(goal, raw_file.limit_bytes):
            contents.replace(goal)
    return problem

"""Where files of this machine are: installed packages, folders, and mirrors."""

import importlib.util
import os
from pathlib import Path
from urllib.parse import quote

from bam.data.sources import FolderSource, NpmSource, PackageSource, Source, UrlSource
from bam.errors import ConfigError

MIRROR_VARIABLE = "BAM_MIRROR"
NODE_FOLDERS = ("/usr/lib/node_modules", "/usr/local/lib/node_modules")


def locate(source: PackageSource | FolderSource | NpmSource) -> Path | None:
    """Return the file that a source of this machine names, or None if it is not there."""
    if isinstance(source, FolderSource):
        folders = [Path(source.folder)]
    elif isinstance(source, NpmSource):
        folders = [folder / source.npm for folder in _node_folders()]
    else:
        folders = _package_folders(source.package)
    return next((folder / source.path for folder in folders if (folder / source.path).is_file()), None)


def describe(source: Source) -> str:
    """Return a source as messages name it."""
    if isinstance(source, UrlSource):
        return source.url
    if isinstance(source, FolderSource):
        return str(Path(source.folder) / source.path)
    if isinstance(source, NpmSource):
        return f"npm package {source.npm}, {source.path}"
    return f"package {source.package}, {source.path}"


def mirrored(set_name: str, file_name: str) -> list[Source]:
    """Return what the mirrors of `BAM_MIRROR` may have, in their order: the file as it is, then gzipped.

    Raises
    ------
    ConfigError
        If a mirror is neither a folder nor an http(s) address.
    """
    sources: list[Source] = []
    for mirror in filter(None, (part.strip() for part in os.environ.get(MIRROR_VARIABLE, "").split(","))):
        if mirror.startswith(("http://", "https://")):
            url = f"{mirror.rstrip('/')}/{quote(set_name)}/{quote(file_name)}"
            sources += [UrlSource(url=url), UrlSource(url=f"{url}.gz", unpack="gzip")]
        elif "://" in mirror or not Path(mirror).is_dir():
            raise ConfigError(
                f"{MIRROR_VARIABLE}: {mirror!r} is no folder and no http(s) address; "
                "expected one, or several with commas between them"
            )
        else:
            sources += in_folder(Path(mirror).absolute() / set_name, file_name)
    return sources


def in_folder(folder: Path, file_name: str) -> list[Source]:
    """Return the file in a folder, and the same gzipped, as far as they are there; the file alone if neither is."""
    plain = FolderSource(folder=str(folder), path=file_name)
    gzipped = FolderSource(folder=str(folder), path=f"{file_name}.gz", unpack="gzip")
    there: list[Source] = [source for source in (plain, gzipped) if locate(source) is not None]
    return there or [plain]


def _node_folders() -> list[Path]:
    named = [folder for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    return [Path("node_modules"), *map(Path, named), *map(Path, NODE_FOLDERS)]


def _package_folders(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec is not None else []

"""Where raw data comes from: `config/datasets.yaml`, typed."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from bam.config_errors import validated
from bam.errors import ConfigError
from bam.strict import Strict
from bam.yaml_files import read_yaml


def escapes(path: str) -> bool:
    r"""Return whether a relative path would leave the folder that it is taken in.

    >>> [escapes(path) for path in ("a/b.csv", "../b.csv", "/b.csv", "a/../../b.csv", "C:/b", "..\\b")]
    [False, True, True, True, True, True]
    """
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return ".." in parts or path.startswith(("/", "\\")) or path[1:2] == ":"


def _inside(path: str) -> str:
    if not path or escapes(path):
        raise ValueError("expected a relative path that stays in its folder")
    return path


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("expected an absolute path")
    return path


Inside = Annotated[str, AfterValidator(_inside)]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Packed(Strict):
    """What all sources say: how the contents are packed."""

    unpack: Literal["gzip", "zip", "tar"] | None = None
    member: Inside | None = Field(default=None, description="the file inside the archive, for zip and tar")

    @model_validator(mode="after")
    def _member_belongs_to_an_archive(self) -> Self:
        is_archive = self.unpack in ("zip", "tar")
        if is_archive and self.member is None:
            raise ValueError(f"unpack: {self.unpack} needs a member, the path of the file in the archive")
        if not is_archive and self.member is not None:
            raise ValueError("a member is for unpack: zip and unpack: tar")
        return self


class PackageSource(Packed):
    """A file that an installed Python package carries."""

    package: str
    path: Inside = Field(description="inside the package's folder")


class FolderSource(Packed):
    """A file in a folder of this machine, such as a distribution's package installs."""

    folder: Annotated[str, AfterValidator(_absolute)]
    path: Inside = Field(description="inside the folder")


class NpmSource(Packed):
    """A file that an installed npm package carries."""

    npm: str = Field(pattern=r"^(@[\w.-]+/)?\w[\w.-]*$")
    path: Inside = Field(description="inside the package's folder")


class UrlSource(Packed):
    """A file that a server has."""

    url: str = Field(pattern=r"^https?://[^/\s]+/\S*$")


KINDS: dict[str, type[Packed]] = {
    "package": PackageSource,
    "folder": FolderSource,
    "npm": NpmSource,
    "url": UrlSource,
}


def _kind(source: Any) -> str | None:
    if isinstance(source, Packed):
        return next(key for key, kind in KINDS.items() if isinstance(source, kind))
    named = [key for key in KINDS if isinstance(source, dict) and key in source]
    return named[0] if len(named) == 1 else None


Source = Annotated[
    Annotated[PackageSource, Tag("package")]
    | Annotated[FolderSource, Tag("folder")]
    | Annotated[NpmSource, Tag("npm")]
    | Annotated[UrlSource, Tag("url")],
    Discriminator(
        _kind,
        custom_error_type="source_kind",
        custom_error_message="expected exactly one of the keys package, folder, npm, url",
    ),
]


class Archive(Strict):
    """What is asked of a raw file that stays packed: kinds read its members where they lie."""

    max_members: int = Field(ge=1)
    max_unpacked_bytes: int = Field(ge=1, description="of all members together")
    required: list[Inside] = Field(description="members that must be there, below whatever folder")
    contents_sha256: Hash | None = Field(default=None, description="of names and contents; see bam/data/members.py")


class RawFile(Strict):
    """One raw file, known by its content; where no hash is published, by the first one that was trusted."""

    size_bytes: int | None = Field(ge=0, description="of the unpacked file; null if nobody published it")
    max_bytes: int | None = Field(default=None, ge=1, description="what it cannot exceed, if its size is not known")
    sha256: Hash | None = Field(
        description="of the unpacked contents; null: what comes first is trusted, and compared ever after"
    )
    sha256_prefix: str | None = Field(
        default=None, pattern="^[0-9a-f]{4,63}$", description="its first digits, where no more is published"
    )
    md5: str | None = Field(default=None, pattern="^[0-9a-f]{32}$", description="of the unpacked contents")
    archive: Archive | None = Field(default=None, description="for a .tar or .zip that stays packed")
    sources: list[Source]

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.size_bytes is None and self.max_bytes is None:
            raise ValueError("a file of unknown size_bytes needs max_bytes, so that no download fills the disk")
        return self

    @property
    def limit_bytes(self) -> int:
        """The size, or what it cannot exceed."""
        limit = self.size_bytes if self.size_bytes is not None else self.max_bytes
        assert limit is not None
        return limit

    @property
    def known(self) -> str | None:
        """What identifies the contents: a hash, or None where none is known."""
        return (self.archive.contents_sha256 if self.archive else None) or self.sha256

    @property
    def known_hash(self) -> str:
        """What is known of the contents before they are there: a hash, its first digits, or an end left open."""
        return self.known or (f"{self.sha256_prefix}..." if self.sha256_prefix else None) or self.md5 or "..."

    def trusting(self, known: str | None) -> Self:
        """Return the description with the hash that was trusted at first, where none is published."""
        if known is None or self.known is not None:
            return self
        if self.archive is None:
            return self.model_copy(update={"sha256": known})
        return self.model_copy(update={"archive": self.archive.model_copy(update={"contents_sha256": known})})


class RawSet(Strict):
    """A set of raw files under one name."""

    description: str
    licence: str
    citation: str
    files: dict[Inside, RawFile]
    expected: dict[str, dict[str, int]] | None = Field(
        default=None, description="examples in each split and group, as published; kinds check them"
    )

    @model_validator(mode="after")
    def _archives_say_what_they_are(self) -> Self:
        for name, file in self.files.items():
            if file.archive is not None and not name.endswith((".tar", ".zip")):
                raise ValueError(f"{name} stays packed, so its name must end in .tar or .zip")
        return self


def read_sources(path: Path) -> dict[str, RawSet]:
    """Read `config/datasets.yaml`.

    Raises
    ------
    ConfigError
        If it is missing or not of the typed form above.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected raw sets by name; see config/README.md")
    sets: dict[str, RawSet] = {}
    for name, entry in content.items():
        _check_each_source(entry, f"{path}: {name}.files")
        sets[name] = validated(RawSet, entry, f"{path}: {name}")
    return sets


def _check_each_source(entry: Any, prefix: str) -> None:
    """Check each source by its own kind first: the errors of a union do not know the keys of its members."""
    files = entry.get("files") if isinstance(entry, dict) else None
    for name, file in files.items() if isinstance(files, dict) else ():
        sources = file.get("sources") if isinstance(file, dict) else None
        for k, source in enumerate(sources) if isinstance(sources, list) else ():
            kind = _kind(source)
            if kind is not None:
                validated(KINDS[kind], source, f"{prefix}.{name}.sources[{k}]")

"""The settings of a user's own data: what stands in the config, checked before any file is opened."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bam.strict import Strict

RESERVED = ("index", "label")


class OwnSettings(Strict):
    """The `datasets:` entry of one's own data."""

    kind: Literal["own_data"]
    table: str | None = Field(default=None, description="a .csv or .parquet file with a row an example")
    images: str | None = Field(
        default=None, description="in place of a table: a folder of images in <class>/ or <split>/<class>/"
    )
    label: str | None = Field(default=None, description="column of the class names")
    path: str | None = Field(default=None, description="column of image files, relative to `folder`")
    folder: str | None = Field(default=None, description="where image files lie; the table's own folder if absent")
    text: str | None = Field(default=None, description="column of texts")
    text_pair: str | None = Field(default=None, description="column of second texts")
    attributes: list[str] = Field(default=[], description="columns that make the groups, with the label")
    group_by: str | None = Field(default=None, description="the one attribute that makes the groups; all if absent")
    minority: Literal["all_but_largest"] | list[str] | None = Field(
        default=None, description="names of minority groups, or in each class all but the largest of train"
    )
    allow_empty: bool = Field(default=False, description="whether a group may have no example in some split")
    split: str | None = Field(default=None, description="column of train, val and test; split at random if absent")
    sizes: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.7, 0.15, 0.15], min_length=3, max_length=3, description="shares of a random split"
    )
    data_seed: int = Field(default=0, ge=0, description="seed of a random split, or `per_seed`")
    side: int = Field(default=224, ge=8, le=2048, description="of square images, in pixels")
    normalisation: Literal["measured", "imagenet"] = Field(
        default="measured", description="mean and spread of a channel: of train, or ImageNet's for pretrained networks"
    )
    tokenizer: str | None = Field(default=None, description="a raw set, or a folder (a path with /) with vocab.txt")
    max_length: int = Field(default=128, ge=8, le=8192, description="tokens of a text")
    fingerprint: str | None = Field(
        default=None, description="SHA-256 of the contents, written by the plan; other contents are refused"
    )

    @model_validator(mode="after")
    def _is_one_source(self) -> Self:
        if (self.table is None) == (self.images is None):
            raise ValueError("give either table (a .csv or .parquet file) or images (a folder with one folder a class)")
        columns = {"label": self.label, "path": self.path, "text": self.text, "split": self.split}
        if self.images is not None:
            given = [key for key, value in columns.items() if value is not None]
            given += [key for key in ("folder", "text_pair", "attributes", "tokenizer") if getattr(self, key)]
            if given:
                raise ValueError(f"{given[0]} goes with a table; a folder of images says class and split by its names")
            return self
        if self.label is None:
            raise ValueError("label is missing: the column of the class names")
        if (self.path is None) == (self.text is None):
            raise ValueError("give either path (column of image files) or text (column of texts)")
        if self.text is not None and self.tokenizer is None:
            raise ValueError("text needs a tokenizer: a raw set such as bert-base-uncased, or a folder with vocab.txt")
        if self.text is None and (self.text_pair or self.tokenizer):
            raise ValueError("text_pair and tokenizer go with text")
        return self

    @model_validator(mode="after")
    def _names_columns_once(self) -> Self:
        named = [self.label, self.path, self.text, self.text_pair, self.split, *self.attributes]
        columns = [name for name in named if name is not None]
        for name in columns:
            if columns.count(name) > 1:
                raise ValueError(f"the column {name!r} is named twice")
        for name in self.attributes:
            if name in RESERVED or name.startswith("group:"):
                raise ValueError(f"an attribute may not be called {name!r}; rename the column")
        if self.group_by is not None and self.group_by not in self.attributes:
            raise ValueError(f"group_by {self.group_by!r} is not among attributes")
        if self.minority is not None and not self.attributes:
            raise ValueError("minority groups need attributes")
        return self

    @model_validator(mode="after")
    def _shares_are_a_whole(self) -> Self:
        if abs(sum(self.sizes) - 1) > 1e-9:
            raise ValueError(f"sizes add up to {sum(self.sizes):g}, expected 1")
        return self

    @property
    def is_text(self) -> bool:
        """Whether the examples are texts."""
        return self.text is not None

    @property
    def image_folder(self) -> Path:
        """The folder that image files are relative to."""
        if self.images is not None:
            return Path(self.images)
        assert self.table is not None
        return Path(self.folder) if self.folder is not None else Path(self.table).parent

    @property
    def tokenizer_folder(self) -> Path | None:
        """The user's own tokenizer, if `tokenizer` is a path; a raw set's name has no slash."""
        return Path(self.tokenizer) if self.tokenizer is not None and "/" in self.tokenizer else None

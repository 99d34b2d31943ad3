"""Labels and groups that tables measure predictions against, each file read once."""

from dataclasses import dataclass, field

import numpy as np

from bam.data.prepared import read_labels
from bam.files import read_json
from bam.groups import GroupScheme, SplitGroups, read_scheme, read_split
from bam.layout import Layout
from bam.plan import DataSet


@dataclass
class Truth:
    """Reads labels and groups on demand and keeps them.

    Attributes
    ----------
    layout : where the files lie
    """

    layout: Layout
    _labels: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    _n_classes: dict[str, int] = field(default_factory=dict)
    _schemes: dict[str, GroupScheme] = field(default_factory=dict)
    _splits: dict[tuple[str, str], SplitGroups] = field(default_factory=dict)

    def labels(self, dataset: DataSet, split: str) -> np.ndarray:
        """Return the labels of train or val, int64 of shape (n,); DataError if they cannot be read."""
        key = (dataset.data_id, split)
        if key not in self._labels:
            path = self.layout.prepared(dataset.data_id) / split / "labels.npy"
            self._labels[key] = read_labels(path)
        return self._labels[key]

    def n_classes(self, dataset: DataSet) -> int:
        """Return the number of classes C."""
        if dataset.data_id not in self._n_classes:
            manifest = read_json(self.layout.prepared(dataset.data_id) / "manifest.json")
            self._n_classes[dataset.data_id] = len(manifest["class_names"])
        return self._n_classes[dataset.data_id]

    def scheme(self, dataset: DataSet) -> GroupScheme:
        """Return the groups that there are."""
        if dataset.groups_id not in self._schemes:
            self._schemes[dataset.groups_id] = read_scheme(self.layout.groups(dataset.groups_id))
        return self._schemes[dataset.groups_id]

    def groups(self, dataset: DataSet, split: str) -> SplitGroups:
        """Return who belongs to which group in one split."""
        key = (dataset.groups_id, split)
        if key not in self._splits:
            self._splits[key] = read_split(self.layout.groups(dataset.groups_id) / f"{split}.csv")
        return self._splits[key]

    def minority(self, dataset: DataSet, split: str) -> np.ndarray | None:
        """Return a bool mask of shape (n,) of the minority groups; None if none is declared."""
        columns = np.array(self.scheme(dataset).minority, dtype=bool)
        if not columns.any():
            return None
        return np.asarray(self.groups(dataset, split).membership[:, columns].any(axis=1))

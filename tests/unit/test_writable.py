"""A results folder that cannot be written to is refused before anything is planned."""

from pathlib import Path

import pytest

from bam.errors import RunError
from bam.writable import check_no_file, check_writable


def test_a_folder_that_can_be_made_is_fine(tmp_path: Path):
    check_writable(tmp_path / "results" / "small", ["no such file"])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results").symlink_to("elsewhere")
    check_writable(tmp_path / "results" / "small", ["no such file"])


def test_a_link_that_leads_nowhere_is_refused_by_name(tmp_path: Path):
    (tmp_path / "results").symlink_to("no_disk")
    for results in (tmp_path / "results", tmp_path / "results" / "small"):
        with pytest.raises(RunError) as refused:
            check_writable(results, [])
        assert str(refused.value) == (
            f"{tmp_path / 'results'}: is a link to no_disk, which is not there; "
            "make that folder, or mount its disk, or remove the link"
        )


def test_a_file_in_its_place_or_above_is_named(tmp_path: Path):
    check_no_file(tmp_path / "results" / "small")
    (tmp_path / "results").write_text("")
    for results in (tmp_path / "results", tmp_path / "results" / "small"):
        with pytest.raises(RunError) as refused:
            check_no_file(results)
        assert str(refused.value) == (
            f"{tmp_path / 'results'}: is a file, where a folder for results is to be; move it away"
        )


def test_what_cannot_be_written_to_is_refused_unless_all_that_is_wanted_exists(tmp_path: Path):
    place = tmp_path / "results"
    place.write_text("")
    with pytest.raises(RunError, match="cannot be written to"):
        check_writable(place / "small", [str(tmp_path / "report.html")])
    with pytest.raises(RunError, match="cannot be written to"):
        check_writable(place / "small")
    check_writable(place / "small", [str(place)])

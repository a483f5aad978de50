"""Files that hold passwords: who may read them, and what is left when writing fails."""

from pathlib import Path

import pytest

from speaker.bgp import secret_files

UNWRITABLE = "\ud800"  # half of a pair: no encoding writes it


def test_a_file_is_replaced_in_one_step_and_only_we_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "exabgp.conf"
    secret_files.replace(file, "one")
    before = file.stat().st_ino
    secret_files.replace(file, "two")
    assert file.read_text() == "two"
    assert file.stat().st_ino != before
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "exabgp.conf"
    secret_files.replace(file, "one")
    with pytest.raises(UnicodeEncodeError):
        secret_files.replace(file, f"a password {UNWRITABLE}")
    assert file.read_text() == "one"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_process_left_is_swept_and_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / "exabgp.conf"
    secret_files.replace(file, "one")
    left = secret_files.written(tmp_path, "a password")
    path = left.__enter__()  # killed here
    assert path.read_text() == "a password"
    secret_files.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [file]

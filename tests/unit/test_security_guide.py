"""The threat model says what is so: every file and every test that it names is there."""

import re

import pytest
from django.conf import settings

TEXT = (settings.BASE_DIR / "docs" / "security.md").read_text()
FILES = sorted(set(re.findall(r"`([a-z_]+/[\w./-]+\.(?:py|md))`", TEXT)))
TESTS = sorted(set(re.findall(r"`(test_\w+)`", TEXT)))


def test_it_names_files_and_tests():
    assert len(FILES) > 30
    assert len(TESTS) > 30


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_it_names_is_there(name):
    assert (settings.BASE_DIR / name).is_file()


def test_every_test_that_it_names_is_one():
    sources = "".join(path.read_text() for path in (settings.BASE_DIR / "tests").rglob("test_*.py"))
    assert [name for name in TESTS if f"def {name}(" not in sources] == []

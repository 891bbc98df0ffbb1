"""The two tags that every template has: an inline picture, and a moment as people say it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import timezone

from inspection.templatetags.icons import PATHS

AT = datetime(2026, 3, 2, 11, 30, 5, tzinfo=UTC)


def shown(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize("name", PATHS)
def test_each_picture_is_drawn_and_is_only_decoration_without_a_title(name):
    drawn = shown("{% icon name %}", name=name)
    assert PATHS[name] in drawn and f'class="icon {name} "' in drawn and 'aria-hidden="true"' in drawn


def test_a_title_is_spoken_and_written_safely():
    assert 'role="img" aria-label="a &quot;b&quot;"' in shown("{% icon 'ok' title=title %}", title='a "b"')


def test_a_picture_that_a_template_names_exists():
    pages = "".join(page.read_text() for page in Path(settings.BASE_DIR, "templates").rglob("*.html"))
    named = {word.split('"')[0] for word in pages.split('{% icon "')[1:]}
    assert "warning" in named and named <= set(PATHS)


def test_a_moment_has_the_lines_clock_on_hover():
    written = shown("{% ago at zone %}", at=AT, zone="Europe/Berlin")
    assert 'title="2026-03-02 12:30:05 CET"' in written and "data-ago" in written


def test_a_moment_without_a_zone_is_in_utc():
    assert 'title="2026-03-02 11:30:05 UTC"' in shown("{% ago at %}", at=AT)


def test_a_moment_is_written_as_people_say_it():
    assert shown("{% ago at %}", at=timezone.now() - timedelta(minutes=3)).endswith(">3\xa0minutes ago</time>")


def test_no_moment_is_nothing():
    assert shown("{% ago at 'UTC' %}", at=None) == ""

"""Fills the database in bulk: a factory's history of decided parts, and parts that wait. Rows only, no photo files."""

from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

from bench.rig import bare
from inspection import append_only, seals
from inspection.models import AuditEvent
from inspection.unnamed import known

LINE = "line-a"
COUNTED = ("shadow_comparison", "shadow_daytally")


def numbers(count: int) -> str:
    """A table `n(i)` of 1 to count, as either database makes it."""
    if connection.vendor == "postgresql":
        return f"WITH n AS (SELECT i FROM generate_series(1, {count}) AS i)"
    return f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"


def ago(seconds: str) -> str:
    """The moment some seconds ago; `seconds` is an expression of the row."""
    if connection.vendor == "postgresql":
        return f"now() - ({seconds}) * interval '1 second'"
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({seconds}) || ' seconds')"


def add_parts(count: int, *, state: str, oldest: int) -> range:
    """Parts one second apart, the oldest first, each with a photo; returns their keys."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM inspection_inspection")
        last = cursor.fetchone()[0]
        at = ago(f"{oldest} - i")
        cursor.execute(
            f"{numbers(count)} INSERT INTO inspection_inspection (id, line_id, serial, lot, origin, captured_at, received_at,"
            " state, hold_until, state_since, idempotency_scope, request_digest, split)"
            f" SELECT {last} + i, (SELECT id FROM inspection_line WHERE slug = '{LINE}'), 'SN' || ({last} + i),"
            f" 'L' || (({last} + i) / 500), 'live', {at}, {at}, '{state}', {at}, {at}, '', '', '' FROM n"
        )
        cursor.execute(
            f"{numbers(count)} INSERT INTO inspection_photo (inspection_id, position, view, sha256, stored, format, width,"
            " height, size)"
            f" SELECT {last} + i, 0, 'front', 'sha-' || ({last} + i), 'sha-' || ({last} + i), 'jpeg', 1920, 1080, 400000 FROM n"
        )
    return range(last + 1, last + count + 1)


def add_history(count: int) -> None:
    """Decided parts with verdict, disposition and audit row, judged in turn by everybody who is there."""
    parts = add_parts(count, state="decided", oldest=count + 100_000)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM inspection_user ORDER BY id")
        people = [row[0] for row in cursor.fetchall()]
        ours = f"FROM inspection_inspection WHERE id BETWEEN {parts[0]} AND {parts[-1]} ORDER BY id"
        cursor.execute(
            "INSERT INTO inspection_verdict (inspection_id, inspector_id, occasion, outcome, comment, duration_ms, at,"
            f" lease_token) SELECT id, {people[0]} + id % {len(people)}, 'first', 'ok', '', 4000, received_at, '' {ours}"
        )
        cursor.execute(
            "INSERT INTO inspection_disposition (inspection_id, outcome, verdict_id, by_machine, reason, at)"
            " SELECT inspection_id, 'pass', id, false, 'judged ok', at FROM inspection_verdict ORDER BY id"
        )
        cursor.execute(
            "INSERT INTO inspection_auditevent (at, by, action, line, subject, data)"
            f" SELECT received_at, 'history', 'verdict_recorded', '{LINE}', 'inspection ' || id, '{{}}' {ours}"
        )


def add_bare(count: int) -> None:
    """The bare view's tables, with as many items as there are parts and more than will be asked for."""
    with connection.cursor() as cursor:
        for statement in bare.TABLES:
            cursor.execute(statement)
        cursor.execute(f"{numbers(count + 50_000)} INSERT INTO bench_item (id, serial) SELECT i, 'SN' || i FROM n")


def tidy() -> None:
    """What the database does by itself in the nights that such a history takes; and the sequences behind the keys."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence('inspection_inspection', 'id'), max(id)) FROM inspection_inspection"
            )
            for table in ["inspection_inspection", "bench_item", *append_only.append_only_tables(), *COUNTED]:
                cursor.execute(f"VACUUM ANALYZE {table}")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def before_today(seconds: str) -> str:
    """The moment some seconds before this day began in UTC; `seconds` is an expression of the row."""
    if connection.vendor == "postgresql":
        return f"date_trunc('day', now(), 'UTC') - ({seconds}) * interval '1 second'"
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', 'start of day', '-' || ({seconds}) || ' seconds')"


DAYS, INSPECTORS = 23, 6  # 138 groups of a day and an inspector


def chance(i: str, salt: int) -> str:
    """A number in [0, 1) that looks random and is the same each time; `i` is an expression of the row."""
    return f"((({i}) * {2654435761 + 2 * salt}) % 4294967296) / 4294967296.0"


Place = tuple[int, int] | tuple[None, None]  # keys of a station and a variant


def add_pairs(count: int, *, version: int, places: Sequence[Place] = ((None, None),), batch: int = 1_000_000) -> None:
    """Parts judged blind beside a version's answer, evenly over 23 days, 6 inspectors and the places: 2 % scratched, of
    which the version misses a tenth; of the good ones it calls a hundredth scratched. The newest 1,000 have a photo row."""
    for first in range(0, count, batch):
        _add_pairs(first, min(batch, count - first), count, version, places)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inspection_photo (inspection_id, position, view, sha256, stored, format, width, height, size)"
            " SELECT id, 0, 'front', 'sha-' || id, 'sha-' || id, 'jpeg', 1920, 1080, 400000 FROM inspection_inspection"
            " WHERE id > (SELECT max(id) - 1000 FROM inspection_inspection)"
        )


def share_photos(kept: Sequence[tuple[str, int]], width: int, height: int) -> None:
    """Each part has one of these photos, digest and bytes, by turns; what it had before is forgotten."""
    with append_only.open_door(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM inspection_photo")
        cursor.execute("CREATE TEMPORARY TABLE kept (n integer PRIMARY KEY, stored varchar(64), size integer)")
        rows = [(n, stored, size) for n, (stored, size) in enumerate(kept)]
        cursor.executemany("INSERT INTO kept (n, stored, size) VALUES (%s, %s, %s)", rows)
        cursor.execute(
            "INSERT INTO inspection_photo (inspection_id, position, view, sha256, stored, format, width, height, size)"
            f" SELECT part.id, 0, 'front', stored, stored, 'JPEG', {width}, {height}, size"
            f" FROM inspection_inspection part JOIN kept ON n = part.id % {len(kept)}"
        )


def add_trail() -> None:
    """The row of the audit trail that each verdict wrote, not yet sealed."""
    data = """'{"outcome": "' || outcome || '", "occasion": "first"}'"""
    data = f"({data})::jsonb" if connection.vendor == "postgresql" else data
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inspection_auditevent (at, by, action, line, subject, data)"
            f" SELECT verdict.at, username, 'verdict_recorded', '{LINE}', 'inspection ' || inspection_id, {data}"
            " FROM inspection_verdict verdict JOIN inspection_user person ON person.id = inspector_id ORDER BY verdict.id"
        )


def seal_trail(batch: int = 50_000) -> None:
    """The links that the rounds of sealing make of a trail of which nothing is sealed; in bulk."""
    heads: dict[str, tuple[int, str]] = {}
    accounts, at, last = known(), connection.ops.adapt_datetimefield_value(timezone.now()), 0
    into = "inspection_auditseal (line, number, event_id, digest, at)"
    while events := list(AuditEvent.objects.filter(pk__gt=last).order_by("pk")[:batch]):
        links, last = [], events[-1].pk
        for event in events:
            number, previous = heads.get(event.line, (0, ""))
            heads[event.line] = number + 1, seals.digest_of(event, previous, accounts)
            links.append((event.line, number + 1, event.pk, heads[event.line][1], at))
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                with transaction.atomic():
                    cursor.executemany(f"INSERT INTO {into} VALUES (%s, %s, %s, %s, %s)", links)
                continue
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for link in links:
                    copy.write_row(link)


def in_turn(part: str, values: Sequence[int | None]) -> str:
    """One of the values for each row, by turns; `part` is the row's number."""
    cases = " ".join(
        f"WHEN {n} THEN {'CAST(NULL AS bigint)' if value is None else value}" for n, value in enumerate(values)
    )
    return f"(CASE {part} % {len(values)} {cases} END)"


def _add_pairs(first: int, count: int, whole: int, version: int, places: Sequence[Place]) -> None:
    at, part = before_today(f"{DAYS * 86400} * (1 - ({first} + i - 1) * 1.0 / {whole})"), f"({first} + i)"
    u1, u2, u3 = (chance(part, salt) for salt in (1, 777_777_777, 3_333_333_333))
    bad = f"({u1} < 0.02)"
    score = (
        f"CASE WHEN {bad} THEN (CASE WHEN {u2} < 0.1 THEN 0.4 * {u3} ELSE 1 - 0.4 * {u3} END)"
        f" ELSE (CASE WHEN {u2} < 0.01 THEN 1 - 0.4 * {u3} ELSE 0.3 * {u3} * {u3} END) END"
    )
    person = f"(SELECT min(id) FROM inspection_user) + ({part} % {INSPECTORS})"
    station, variant = (in_turn(part, column) for column in zip(*places, strict=True))
    with connection.cursor() as cursor:
        for statement in (
            "inspection_inspection (id, line_id, station_id, variant_id, serial, lot, origin, captured_at, received_at, state, hold_until,"
            " state_since, idempotency_scope, request_digest, split)"
            f" SELECT {part}, (SELECT id FROM inspection_line WHERE slug = '{LINE}'), {station}, {variant}, 'SN' || {part},"
            f" 'L' || ({part} / 500), 'live', {at}, {at}, 'decided', {at}, {at}, '', '', '' FROM n",
            "inspection_draw (inspection_id, key, u_canary, u_audit, u_blind, blind, audited, at)"
            f" SELECT {part}, 'k', 0.5, 0.5, 0.5, true, false, {at} FROM n",
            "inspection_verdict (inspection_id, inspector_id, occasion, outcome, comment, duration_ms, at, lease_token)"
            f" SELECT {part}, {person}, 'first', CASE WHEN {bad} THEN 'scratched' ELSE 'ok' END, '', 4000, {at}, '' FROM n",
            "shadow_prediction (inspection_id, version_id, score, outcome, null_reason, marks, timings, figures,"
            " retrospective, at)"
            f" SELECT p, {version}, s, CASE WHEN s >= 0.5 THEN 'scratched' ELSE 'ok' END, '', '[]', '{{}}', '[]',"
            f" false, t FROM (SELECT {part} AS p, {score} AS s, {at} AS t FROM n) told",
        ):
            cursor.execute(f"{numbers(count)} INSERT INTO {statement}")

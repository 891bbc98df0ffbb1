"""Fills a line that hands its work over: what the router wrote, parts that the machine decides now, audits, and seeds."""

from django.db import connection

from bench.rig.fill import INSPECTORS, LINE, Place, ago, chance, in_turn, numbers

PASS_BELOW, REJECT_FROM = 0.1, 0.5
AUDITED = 0.1  # of the parts that the machine decides, and of those that it leaves to people
UNJUDGED = 0.003  # of the audits and of people's parts; and whatever came in the last ten minutes
TEN_MINUTES = 600


def add_routings(policy: int) -> None:
    """What the router wrote of parts that people judge beside the version: one row for each prediction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO automation_routing (inspection_id, policy_id, prediction_id, decision, reason, decided, advice, at)"
            f" SELECT inspection_id, {policy}, id, 'person', 'people judge every part at shadow', false, false, at"
            " FROM shadow_prediction ORDER BY id"
        )


def add_decided(count: int, *, hours: float, version: int, policy: int, places: list[Place]) -> None:
    """Parts of the last hours at partial: the machine decides outside the unsure band, a tenth is drawn blind; people
    judge audits and what is left to them, except the newest and a few that lie about."""
    first = _next_part()
    part, age = f"({first} + i)", f"({hours * 3600} * (1 - (i - 1) * 1.0 / {count}))"
    at = ago(age)
    u1, u2, u3, u4, u5 = (chance(part, salt) for salt in (1, 777_777_777, 3_333_333_333, 44_444_444, 555_555))
    bad = f"({u1} < 0.01)"
    score = f"(CASE WHEN {bad} AND {u2} > 0.05 THEN 1 - 0.4 * {u3} ELSE 0.11 * {u3} END)"
    machine = f"({score} < {PASS_BELOW} OR {score} >= {REJECT_FROM})"
    drawn = f"({u4} < {AUDITED})"
    waits = f"({u5} < {UNJUDGED} OR {age} < {TEN_MINUTES})"
    state = f"CASE WHEN {machine} AND NOT {drawn} OR NOT {waits} THEN 'decided' WHEN {machine} THEN 'audit_due' ELSE 'waiting' END"
    person = f"(SELECT min(id) FROM inspection_user) + ({part} % {INSPECTORS})"
    station, variant = (in_turn(part, column) for column in zip(*places, strict=True))
    decision = (
        f"CASE WHEN {score} < {PASS_BELOW} THEN 'pass' WHEN {score} >= {REJECT_FROM} THEN 'reject' ELSE 'person' END"
    )
    with connection.cursor() as cursor:
        for statement in (
            "inspection_inspection (id, line_id, station_id, variant_id, serial, lot, origin, captured_at, received_at,"
            " state, hold_until, state_since, idempotency_scope, request_digest, split)"
            f" SELECT {part}, (SELECT id FROM inspection_line WHERE slug = '{LINE}'), {station}, {variant},"
            f" 'SN' || {part}, 'L' || ({part} / 500), 'live', {at}, {at}, {state}, {at}, {at}, '', '', '' FROM n",
            "inspection_draw (inspection_id, key, u_canary, u_audit, u_blind, blind, audited, at)"
            f" SELECT {part}, 'k', 0.1, {u4}, 0.5, {drawn}, {drawn} AND {machine}, {at} FROM n",
            "inspection_verdict (inspection_id, inspector_id, occasion, outcome, comment, duration_ms, at, lease_token)"
            f" SELECT {part}, {person}, CASE WHEN {machine} THEN 'audit' ELSE 'first' END,"
            f" CASE WHEN {bad} THEN 'scratched' ELSE 'ok' END, '', 4000, {at}, '' FROM n"
            f" WHERE ({drawn} OR NOT {machine}) AND NOT {waits}",
            "shadow_prediction (inspection_id, version_id, score, outcome, null_reason, marks, timings, figures,"
            " retrospective, at)"
            f" SELECT {part}, {version}, {score}, CASE WHEN {score} >= 0.5 THEN 'scratched' ELSE 'ok' END, '', '[]',"
            f" '{{}}', '[]', false, {at} FROM n",
        ):
            cursor.execute(f"{numbers(count)} INSERT INTO {statement}")
        cursor.execute(
            "INSERT INTO automation_routing (inspection_id, policy_id, prediction_id, decision, reason, decided, advice, at)"
            f" SELECT told.inspection_id, {policy}, told.id, {decision.replace(score, 'told.score')},"
            f" CASE WHEN told.score >= {PASS_BELOW} AND told.score < {REJECT_FROM} THEN 'score in the unsure band'"
            " ELSE 'score ' || told.score END,"
            f" told.score < {PASS_BELOW} OR told.score >= {REJECT_FROM}, false, told.at"
            f" FROM shadow_prediction told WHERE told.inspection_id > {first} ORDER BY told.id"
        )


def add_seeds(references: int, times: int, *, version: int, policy: int) -> None:
    """Scratched parts that the version passes, kept as references and each shown again so often; of 20 answers one misses."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inspection_reference (inspection_id, truth, reason, by_id, at)"
            " SELECT told.inspection_id, 'scratched', 'bench', (SELECT max(id) FROM inspection_user), told.at"
            " FROM shadow_prediction told JOIN inspection_verdict said ON said.inspection_id = told.inspection_id"
            f" WHERE said.outcome = 'scratched' AND told.score < {PASS_BELOW} ORDER BY told.id LIMIT {references}"
        )
        cursor.execute("SELECT inspection_id FROM inspection_reference ORDER BY id")
        sources = [row[0] for row in cursor.fetchall()]
        first, count = _next_part(), len(sources) * times
        part, at = f"({first} + i)", ago(f"3600 + 20 * 86400.0 * (1 - i * 1.0 / {count})")
        turn = f"((i - 1) / {max(1, len(sources))})"  # each source is shown to other people in the next
        person = f"(SELECT min(id) FROM inspection_user) + (({part} + {turn}) % {INSPECTORS})"
        source = (
            "(SELECT inspection_id FROM inspection_reference ORDER BY id LIMIT 1 OFFSET 0)"
            if not sources
            else f"(SELECT inspection_id FROM inspection_reference r WHERE r.id = (SELECT min(id) FROM inspection_reference) + (i - 1) % {len(sources)})"
        )
        for statement in (
            "inspection_inspection (id, line_id, serial, lot, origin, captured_at, received_at, state, hold_until,"
            " state_since, idempotency_scope, request_digest, split)"
            f" SELECT {part}, (SELECT id FROM inspection_line WHERE slug = '{LINE}'), 'SEED' || {part}, 'L', 'seeded',"
            f" {at}, {at}, 'decided', {at}, {at}, '', '', '' FROM n",
            "inspection_seededpart (inspection_id, source_id, purpose, truth, by, at)"
            f" SELECT {part}, {source}, 'reference', 'scratched', 'bench', {at} FROM n",
            "inspection_draw (inspection_id, key, u_canary, u_audit, u_blind, blind, audited, at)"
            f" SELECT {part}, 'k', 0.5, 0.5, 0.5, true, false, {at} FROM n",
            "inspection_verdict (inspection_id, inspector_id, occasion, outcome, comment, duration_ms, at, lease_token)"
            f" SELECT {part}, {person}, 'first', CASE WHEN {chance(part, 1)} < 0.05 THEN 'ok' ELSE 'scratched' END, '',"
            f" 4000, {at}, '' FROM n",
            "shadow_prediction (inspection_id, version_id, score, outcome, null_reason, marks, timings, figures,"
            " retrospective, at)"
            f" SELECT {part}, {version}, 0.05, 'ok', '', '[]', '{{}}', '[]', false, {at} FROM n",
        ):
            cursor.execute(f"{numbers(count)} INSERT INTO {statement}")
        cursor.execute(
            "INSERT INTO automation_routing (inspection_id, policy_id, prediction_id, decision, reason, decided, advice, at)"
            f" SELECT told.inspection_id, {policy}, told.id, 'person', 'seeded: it measures the inspectors', false, false,"
            f" told.at FROM shadow_prediction told WHERE told.inspection_id > {first} ORDER BY told.id"
        )


def _next_part() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM inspection_inspection")
        return cursor.fetchone()[0]

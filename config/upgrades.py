"""Which migrations a running site can take: the release before goes on writing while they are applied, and after.

The rule in one line: add first, use it in the same release or later, remove one release after the last code that uses it.
A migration that removes says `unused_since = "0.2"`, the release whose code no longer touches what it removes. One that
cannot keep the rule says `offline = "why"`: it is applied while the site is stopped, and the changelog tells so.
"""

from collections.abc import Iterator

from django.db.migrations import Migration, operations
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED, Field, ManyToManyField

# Tables that grow with every part: what locks one of them stops the line for as long as it takes.
LARGE = {
    "inspection.inspection", "inspection.photo", "inspection.verdict", "inspection.disposition", "inspection.draw",
    "inspection.auditevent", "inspection.auditseal", "inspection.modeloutputshown", "shadow.prediction",
    "shadow.heatmap", "shadow.scoringjob", "automation.routing",
}  # fmt: skip
# Tables that triggers of other tables read (shadow/changes.py). SQLite adds a column with a default by writing the table anew
# under another name, and then refuses: a trigger names a table that is not there.
READ_BY_TRIGGERS = {
    "inspection.inspection", "inspection.verdict", "inspection.correction", "inspection.lease", "shadow.prediction",
}  # fmt: skip
REMOVES = (operations.RemoveField, operations.DeleteModel)
RENAMES = (operations.RenameField, operations.RenameModel, operations.AlterModelTable)
LOCKS = (operations.AddIndex, operations.AddConstraint)


def unsafe(migration: Migration, before: ProjectState, release: tuple[int, ...]) -> list[str]:
    """Why a running site cannot take the migration in this release; an empty list: it can."""
    if getattr(migration, "offline", ""):
        return []
    state, found = before.clone(), []
    for operation in migration.operations:
        found += [f"{operation.describe()}: {why}" for why in _why(migration, operation, state, release)]
        operation.state_forwards(migration.app_label, state)
    return found


def _why(
    migration: Migration, operation: operations.base.Operation, state: ProjectState, release: tuple[int, ...]
) -> Iterator[str]:
    if isinstance(operation, REMOVES):
        since = getattr(migration, "unused_since", "")
        if not since or _numbers(since) >= release:
            yield "the release before may still use it. Remove it one release after the last that does, and say unused_since"
    elif isinstance(operation, RENAMES):
        yield "the release before knows the old name. Add the new one, copy, and remove the old one a release later"
    elif isinstance(operation, operations.AddField):
        if _must_be_given(operation.field):
            yield "the release before writes rows without it. Give it null=True or a db_default"
        elif _label(migration, operation) in READ_BY_TRIGGERS and not _in_place(operation.field):
            yield "SQLite cannot add it while triggers of other tables read the table. Give it null=True and no default"
    elif isinstance(operation, operations.AlterField):
        model = state.models[migration.app_label, operation.model_name_lower]
        yield from _narrower(model.fields[operation.name], operation.field)
    elif isinstance(operation, LOCKS) and _label(migration, operation) in LARGE:
        yield "it locks a table that grows with every part while it is built"


def _must_be_given(field: Field) -> bool:
    return not (isinstance(field, ManyToManyField) or field.null or field.db_default is not NOT_PROVIDED)


def _label(migration: Migration, operation: operations.base.Operation) -> str:
    return f"{migration.app_label}.{getattr(operation, 'model_name', '')}".lower()


def _in_place(field: Field) -> bool:
    return field.null and field.default is NOT_PROVIDED and field.db_default is NOT_PROVIDED


def _narrower(before: Field, after: Field) -> Iterator[str]:
    if before.null and not after.null:
        yield "the release before may write NULL into it"
    if before.get_internal_type() != after.get_internal_type():
        yield f"{before.get_internal_type()} becomes {after.get_internal_type()}, which rewrites the table under a lock"
    elif before.max_length and after.max_length and after.max_length < before.max_length:
        yield f"the release before may write more than {after.max_length} characters"


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in release.split(".")[:2])

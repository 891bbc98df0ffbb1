"""Finds a model version by name, or says which there are."""

from inspection.refusals import Unknown
from shadow.models import ModelVersion


def find_version(name: str) -> ModelVersion:
    """The version of that name, or of that number. Raises Unknown with the names there are."""
    version = ModelVersion.objects.filter(name=name).first()
    if version is None and name.isdecimal():
        version = ModelVersion.objects.filter(pk=name[:18]).first()
    if version is None:
        known = ", ".join(ModelVersion.objects.values_list("name", flat=True)[:20]) or "none yet"
        raise Unknown(f"There is no model {name!r}. Known models: {known}.")
    return version

"""What voided a certificate was a mark on the policy that an alarm wrote; it becomes a row of its own."""

from django.db import migrations

from inspection.append_only import open_door


def carry_over(apps, schema_editor):
    """A mark on policy n voided what came before it: up to n - 1."""
    Policy, Void = apps.get_model("automation", "Policy"), apps.get_model("automation", "Void")
    marked = Policy.objects.filter(voids_evidence=True).exclude(version=None).order_by("pk")
    Void.objects.bulk_create(
        Void(
            line_id=row.line_id, version_id=row.version_id, number=row.number - 1, reason=row.reason, by=row.by, at=row.at
        )
        for row in marked
    )  # fmt: skip
    _mark_watches(apps)


def _mark_watches(apps):
    """A detector that has alarmed has voided the certificate, or voids it at its next look; corrections count from now."""
    Policy, Void = apps.get_model("automation", "Policy"), apps.get_model("automation", "Void")
    Correction = apps.get_model("inspection", "Correction")
    last = Correction.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    for watch in apps.get_model("automation", "EscapeWatch").objects.all():
        watch.corrected_to = last
        if any(watch.state.get(name, {}).get("alarm") for name in ("escapes", "burst")):
            raised = Policy.objects.filter(pk=watch.state.get("raised")).values_list("number", flat=True).first() or 0
            void = Void.objects.filter(line=watch.line_id, version=watch.version_id, number__gte=raised)
            watch.state |= {"voided": True} if void.exists() else {"done": False}
        watch.save()


def carry_back(apps, schema_editor):
    """The mark goes to the policy that lowered the line; where none did, to the version's last one before."""
    Policy, Void = apps.get_model("automation", "Policy"), apps.get_model("automation", "Void")
    with open_door():
        for void in Void.objects.order_by("pk"):
            rows = Policy.objects.filter(line=void.line_id, version=void.version_id)
            before = rows.filter(number__lte=void.number).order_by("-number")
            row = rows.filter(number=void.number + 1).first() or before.first()
            if row:
                Policy.objects.filter(pk=row.pk).update(voids_evidence=True)
        Void.objects.all().delete()
    for watch in apps.get_model("automation", "EscapeWatch").objects.all():
        watch.state.pop("voided", None)
        watch.save()


class Migration(migrations.Migration):
    dependencies = [("automation", "0004_voids"), ("inspection", "0006_containment_lot")]

    operations = [migrations.RunPython(carry_over, carry_back)]

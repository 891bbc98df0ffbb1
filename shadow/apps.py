"""The app's registration, and the triggers that note what has to be counted again, reinstalled after every migrate."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ShadowConfig(AppConfig):
    name = "shadow"

    def ready(self) -> None:
        from shadow import changes

        post_migrate.connect(changes.install_triggers, sender=self, dispatch_uid="triggers of what is counted")

"""Static files under names that carry their content's hash, so that a browser may keep them for ever."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class HashedStatics(ManifestStaticFilesStorage):
    """Scripts import one another by those names too: under two names one module would run twice, with two states."""

    support_js_module_import_aggregation = True

"""Every URL of the site: pages at the root, the API under /api/v1/, health beside them."""

from django.urls import include, path
from django.views.i18n import set_language
from drf_spectacular.views import SpectacularAPIView

from config import health, overview, scripts

handler404 = "config.unknown.unknown"
handler500 = "config.outage.unforeseen"
APPS = ("inspection", "shadow", "monitoring", "automation")

urlpatterns = [
    path("", overview.home, name="home"),
    path("language/", set_language, name="set_language"),
    path("jsi18n/<str:language>/", scripts.script_words, name="script_words"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("api/schema/", SpectacularAPIView.as_view(), name="api_schema"),
    *[path("api/v1/", include(f"{app}.api_urls")) for app in APPS],
    path("setup/", include("inspection.setup_urls")),
    *[path("", include(f"{app}.urls")) for app in APPS],
]

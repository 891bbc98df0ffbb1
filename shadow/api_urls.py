"""The shadow's API, under `/api/v1/`."""

from django.urls import path

from shadow.api import discrepancies, models, reports

urlpatterns = [
    path("reports/agreement/", reports.agreement, name="api_agreement"),
    path("reports/pairs/", reports.pairs, name="api_pairs"),
    path("discrepancies/", discrepancies.discrepancies, name="api_discrepancies"),
    path("discrepancies/<int:pk>/adjudication/", discrepancies.adjudication, name="api_adjudication"),
    path("models/", models.models, name="api_models"),
    path("models/<str:model>/", models.model, name="api_model"),
    path("predictions/", models.predictions, name="api_predictions"),
]

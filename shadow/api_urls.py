"""The shadow's API, under `/api/v1/`."""

from django.urls import path

from shadow import api

urlpatterns = [
    path("reports/agreement/", api.agreement, name="api_agreement"),
    path("discrepancies/", api.discrepancies, name="api_discrepancies"),
    path("discrepancies/<int:pk>/adjudication/", api.adjudication, name="api_adjudication"),
    path("models/", api.models, name="api_models"),
    path("models/<str:model>/", api.model, name="api_model"),
    path("predictions/", api.predictions, name="api_predictions"),
]

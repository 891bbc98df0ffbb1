"""The supervisor's pages."""

from django.urls import path

from shadow.views import discrepancies, models, reports

urlpatterns = [
    path("reports/agreement/", reports.agreement_report, name="agreement_report"),
    path("discrepancies/", discrepancies.discrepancies, name="discrepancies"),
    path("discrepancies/<int:pk>/", discrepancies.discrepancy, name="discrepancy"),
    path("predictions/<int:pk>/heatmap/<int:position>.png", discrepancies.heat_map, name="heat_map"),
    path("models/", models.models, name="models"),
    path("models/<slug:name>/", models.model_card, name="model_card"),
    path("models/<slug:name>/pictures/<slug:digest>.webp", models.model_picture, name="model_picture"),
]

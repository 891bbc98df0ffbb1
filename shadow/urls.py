"""The supervisor's pages."""

from django.urls import path

from shadow import views

urlpatterns = [
    path("reports/agreement/", views.agreement_report, name="agreement_report"),
    path("discrepancies/", views.discrepancies, name="discrepancies"),
    path("discrepancies/<int:pk>/", views.discrepancy, name="discrepancy"),
    path("predictions/<int:pk>/heatmap/<int:position>.png", views.heat_map, name="heat_map"),
    path("models/", views.models, name="models"),
    path("models/<slug:name>/", views.model_card, name="model_card"),
    path("models/<slug:name>/pictures/<slug:digest>.webp", views.model_picture, name="model_picture"),
]

"""The shadow's API, under `/api/v1/`."""

from django.urls import path

from shadow.api import discrepancies, gauges, models, reports, trainings

urlpatterns = [
    path("reports/agreement/", reports.agreement, name="api_agreement"),
    path("reports/pairs/", reports.pairs, name="api_pairs"),
    path("discrepancies/", discrepancies.discrepancies, name="api_discrepancies"),
    path("discrepancies/<int:pk>/adjudication/", discrepancies.adjudication, name="api_adjudication"),
    path("discrepancies/<int:pk>/second-look/", discrepancies.second_look, name="api_second_look"),
    path("discrepancies/<int:pk>/teach/", discrepancies.teach, name="api_teach"),
    path("discrepancies/<int:pk>/sample/", discrepancies.sample, name="api_limit_sample"),
    path("discrepancies/<int:pk>/reference/", discrepancies.reference, name="api_known_truth"),
    path("inspectors/", gauges.inspectors, name="api_inspectors"),
    path("references/", gauges.references, name="api_references"),
    path("references/<int:pk>/retire/", gauges.retire_reference, name="api_retire_reference"),
    path("studies/", gauges.studies, name="api_studies"),
    path("studies/<int:pk>/", gauges.study, name="api_study"),
    path("studies/<int:pk>/close/", gauges.close_study, name="api_close_study"),
    path("models/", models.models, name="api_models"),
    path("models/<str:model>/", models.model, name="api_model"),
    path("lines/<slug:line>/trainings/", trainings.trainings, name="api_trainings"),
    path("lines/<slug:line>/trainings/<int:pk>/", trainings.training, name="api_training"),
    path("lines/<slug:line>/trainings/<int:pk>/cancel/", trainings.cancel, name="api_cancel_training"),
    path("lines/<slug:line>/trainings/<int:pk>/resume/", trainings.resume, name="api_resume_training"),
    path("lines/<slug:line>/trainings/<int:pk>/shadow/", trainings.let_shadow, name="api_let_shadow"),
    path("predictions/", models.predictions, name="api_predictions"),
]

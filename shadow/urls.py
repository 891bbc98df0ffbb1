"""The supervisor's pages."""

from django.urls import path

from shadow.views import desk, discrepancies, earlier, gauges, models, reports, studies, trainings

urlpatterns = [
    path("reports/agreement/", reports.agreement_report, name="agreement_report"),
    path("discrepancies/", discrepancies.discrepancies, name="discrepancies"),
    path("discrepancies/settle/", discrepancies.settle_discrepancies, name="settle_discrepancies"),
    path("discrepancies/done/", discrepancies.discrepancies_done, name="discrepancies_done"),
    path("discrepancies/<int:pk>/", desk.discrepancy, name="discrepancy"),
    path("discrepancies/<int:pk>/second-look/", desk.second_look, name="discrepancy_second_look"),
    path("discrepancies/<int:pk>/teach/", desk.teach, name="discrepancy_teach"),
    path("discrepancies/<int:pk>/sample/", desk.sample, name="discrepancy_sample"),
    path("discrepancies/<int:pk>/reference/", desk.reference, name="discrepancy_reference"),
    path("predictions/<int:pk>/heatmap/<int:position>.png", desk.heat_map, name="heat_map"),
    path("inspectors/", gauges.inspectors, name="inspectors"),
    path("inspectors/references/", gauges.references, name="references"),
    path("inspectors/references/keep/", gauges.keep_reference, name="keep_reference"),
    path("inspectors/references/<int:pk>/retire/", gauges.retire_reference, name="retire_reference"),
    path("inspectors/studies/", studies.studies, name="studies"),
    path("inspectors/studies/new/", studies.plan_study, name="plan_study"),
    path("inspectors/studies/<int:pk>/", studies.study, name="study"),
    path("inspectors/studies/<int:pk>/close/", studies.close_study, name="close_study"),
    path("lines/<slug:line>/trainings/", trainings.trainings, name="trainings"),
    path("lines/<slug:line>/trainings/new/", trainings.start_training, name="start_training"),
    path("lines/<slug:line>/trainings/policy/", trainings.set_training_policy, name="set_training_policy"),
    path("lines/<slug:line>/trainings/<int:pk>/", trainings.training, name="training"),
    path("lines/<slug:line>/trainings/<int:pk>/progress/", trainings.training_progress, name="training_progress"),
    path("lines/<slug:line>/trainings/<int:pk>/cancel/", trainings.cancel_training, name="cancel_training"),
    path("lines/<slug:line>/trainings/<int:pk>/resume/", trainings.resume_training, name="resume_training"),
    path("lines/<slug:line>/trainings/<int:pk>/shadow/", trainings.let_shadow, name="let_shadow"),
    path("models/", models.models, name="models"),
    path("earlier-systems/new/", earlier.register_earlier, name="register_earlier"),
    path("models/<slug:name>/", models.model_card, name="model_card"),
    path("models/<slug:name>/lineage/", models.lineage, name="lineage"),
    path("models/<slug:name>/lineage.csv", models.lineage_file, name="lineage_file"),
    path("models/<slug:name>/pictures/<slug:digest>.webp", models.model_picture, name="model_picture"),
]

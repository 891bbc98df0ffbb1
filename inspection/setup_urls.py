"""The set-up pages, under `/setup/`: for each kind of thing a list, a form to add or edit one, and its removal."""

from django.urls import path

from inspection import setup_views as views
from inspection import token_views
from inspection.views import persons


def pages(one: str, many: str, *, removable: bool = True) -> list:
    section = {"section": one}
    folder = many.replace("_", "-")
    found = [
        path(f"{folder}/", views.setup_list, section, name=f"setup_{many}"),
        path(f"{folder}/new/", views.setup_row, section, name=f"setup_{one}_new"),
        path(f"{folder}/<int:pk>/", views.setup_row, section, name=f"setup_{one}"),
    ]
    if removable:
        found.append(path(f"{folder}/<int:pk>/remove/", views.setup_remove, section, name=f"setup_{one}_remove"))
    return found


urlpatterns = [
    path("", views.setup, name="setup"),
    *pages("line", "lines"),
    *pages("station", "stations"),
    *pages("variant", "variants"),
    *pages("shift", "shifts"),
    *pages("defect_kind", "defect_kinds"),
    *pages("sample", "samples"),
    # Nobody is removed: their verdicts stay, and an account is closed by taking away "May sign in".
    *pages("user", "users", removable=False),
    path("users/<int:pk>/password/", views.setup_user_password, name="setup_user_password"),
    path("users/<int:pk>/second-factor/reset/", token_views.reset_second_factor, name="reset_second_factor"),
    # A token is issued and withdrawn; nothing of it is edited.
    path("tokens/", views.setup_list, {"section": "token"}, name="setup_tokens"),
    path("tokens/new/", token_views.issue_token, name="setup_token_new"),
    path("tokens/<int:pk>/withdraw/", token_views.withdraw_token, name="withdraw_token"),
    path("users/<int:pk>/data/", persons.setup_user_file, name="setup_user_file"),
    path("users/<int:pk>/erase/", persons.erase_person, name="erase_person"),
]

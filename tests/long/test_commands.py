"""The commands: one line of JSON on request, one clear sentence on bad input, and what each does."""

import io
import json
import sys
from datetime import timedelta
from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest
from django.core.management import CommandError, ManagementUtility, call_command
from django.utils import timezone

from automation import policies, simulation
from automation.management.commands import simulate_line
from automation.models import Routing
from automation.simulation import DRIFTS, Rates, part_of, photo_of, verdict_of
from inspection import actions
from inspection.models import AuditEvent, DefectKind, Inspection, Line, Origin, SeededPart, User, Verdict
from inspection.roles import Role, roles_of
from shadow import retraining
from shadow.actions import picture_path, weights_path
from shadow.management.commands import evaluate_model
from shadow.models import Evaluation, HeldOut, ModelVersion, Prediction, Snapshot, live_version
from shadow.vision.runtime import Answer, Failure, Mark
from tests.conftest import photo_bytes
from tests.lessons import list_of_photos


def run(*arguments, **options) -> str:
    """What the command prints on standard output."""
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def run_json(*arguments) -> dict:
    printed = run(*arguments, "--json")
    assert printed.count("\n") == 1
    return json.loads(printed)


def refusal(*arguments) -> str:
    """The one sentence of a refused command; Django exits with 1."""
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert refused.value.returncode == 1
    assert "\n" not in str(refused.value)
    return str(refused.value)


# ---- seed_demo


@pytest.fixture
def first_look(settings):
    """A first look, where the demo may be made."""
    settings.DEBUG = True


def test_the_demo_factory_has_people_lines_and_a_shadowing_starter(db, first_look, monkeypatch):
    monkeypatch.setenv("DEMO_PASSWORD", "open sesame")
    made = run_json("seed_demo")
    assert made["lines"] == ["line-a", "line-b"]
    assert made["models"] == ["starter"]
    roles = {name: roles_of(User.objects.get(username=name)) for name in ("ivy", "sam", "ada")}
    assert roles == {"ivy": {Role.INSPECTOR}, "sam": {Role.SUPERVISOR}, "ada": {Role.ADMIN}}
    assert User.objects.get(username="ivy").check_password("open sesame")
    assert not User.objects.get(username="sim-1").has_usable_password()
    lines = {line.slug: line for line in Line.objects.all()}
    assert {slug: policies.in_force(line).level for slug, line in lines.items()} == {
        "line-a": "shadow", "line-b": "human_only",
    }  # fmt: skip
    assert live_version(lines["line-a"]) == ModelVersion.objects.get(name="starter")
    assert all(line.demo and line.stations.exists() and line.shifts.count() == 3 for line in lines.values())
    assert set(DefectKind.objects.values_list("slug", flat=True)) == {"scratch", "oil", "stain", "dust"}


def test_seeding_twice_changes_nothing(db, first_look, monkeypatch):
    run("seed_demo")
    monkeypatch.setenv("DEMO_PASSWORD", "another")
    assert run_json("seed_demo") == {"users": [], "lines": [], "models": []}
    assert User.objects.get(username="ivy").check_password("shadowline")
    assert "nothing new" in run("seed_demo")


def test_known_passwords_are_not_made_where_debug_is_off(db):
    assert "made only where DEBUG is on" in refusal("seed_demo")
    assert not User.objects.exists()


# ---- models


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setattr(retraining, "THREADS", 1)  # those that wait for each other take six times as long
    return list_of_photos(tmp_path)


FIGURES = {"auroc", "average_precision", "miss_rate", "false_alarm_rate", "ece", "coverage", "n"}


def test_a_version_is_trained_registered_and_measured(db, photos):
    answer = run_json(
        "train_model", "--data", photos, "--name", "tiny", "--epochs", "1", "--seed", "3", "--renderings", "6"
    )
    version = ModelVersion.objects.get()
    assert (answer["model"], answer["id"], version.card["seed"]) == ("tiny", version.pk, 3)
    assert set(answer) >= FIGURES
    assert weights_path(version).exists()
    found = run_json("evaluate_model", "tiny", "--data", photos, "--split", "b")
    assert set(found) == FIGURES | {"retrospective"}
    assert (found["n"], found["coverage"]) == (4, 1.0)
    assert set(found["retrospective"]) == {"limit", "threshold", "coverage", "bound", "n", "k", "originals"}
    assert "auroc" in run("evaluate_model", "tiny", "--data", photos)


@pytest.fixture
def scored(version, monkeypatch):
    """Lets v1 answer with these scores, None for a blank photo: `scored([0.1, None])`."""

    def answer(scores):
        mark = Mark(0, (0.1, 0.2, 0.3, 0.4), 0.9)
        answers = [
            Failure("blank photo") if score is None else Mock(Answer, score=score, marks=[mark] if score >= 0.5 else [])
            for score in scores
        ]
        monkeypatch.setattr(evaluate_model, "scores_of", lambda *_: answers)

    return answer


def test_an_evaluation_is_kept_with_its_curves_and_worst_failures(scored, photos):
    scored([0.9, 0.1, None, 0.8, 0.7, 0.2, 0.3, 0.6, 0.1, 0.9, 0.1, 0.9])
    printed = run("evaluate_model", "v1", "--data", photos)
    assert "excluded                       1  blank photo" in printed
    assert "at R <= 5 %: no threshold holds on 12 originals" in printed
    assert printed.endswith("/models/v1/\n")
    row = Evaluation.objects.get()
    assert (row.source, row.by, row.figures["nulls"]) == ("photos.csv", "evaluate_model", {"blank photo": 1})
    assert [(entry["kind"], entry["score"], entry["photo"]) for entry in row.gallery] == [
        ("miss", 0.1, "1.png"), ("miss", 0.2, "5.png"), ("false_alarm", 0.9, "0.png"), ("false_alarm", 0.7, "4.png"),
    ]  # fmt: skip
    assert row.gallery[2]["marks"] == [[0.1, 0.2, 0.3, 0.4]]
    assert all(picture_path(entry["picture"]).exists() for entry in row.gallery)
    assert row.curves["operating_points"][-1]["threshold"] == 0.5
    assert AuditEvent.objects.get(action="version_evaluated").data == {"source": "photos.csv", "n": 12}


def test_photos_of_one_original_count_once(scored, tmp_path):
    scored([0.01] * 120)
    rows = [f"{n}.jpg,ok,o{n // 2}" for n in range(120)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,original", *rows]))
    held = run_json("evaluate_model", "v1", "--data", str(tmp_path / "list.csv"))["retrospective"]
    assert (held["originals"], held["n"], held["threshold"], held["coverage"]) == (60, 60, 0.5, 1.0)
    assert "at R <= 5 %: 100 % of 60 originals pass below 0.5, at most 4.9 % of them scratched; retrospective" in run(
        "evaluate_model", "v1", "--data", str(tmp_path / "list.csv")
    )


def test_photos_are_scored_without_being_stored(version, tmp_path):
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(photo_bytes(seed=1))
    bad.write_bytes(b"words")
    first, second = run_json("predict_photos", "v1", str(good), str(bad))["photos"]
    assert set(first) == {"path", "score", "outcome", "null_reason", "marks"}
    assert 0 <= first["score"] <= 1
    assert (second["score"], second["outcome"]) == (None, None)
    assert second["null_reason"].startswith("unreadable photo")
    assert "unreadable photo" in run("predict_photos", "v1", str(bad))
    assert not Prediction.objects.exists()
    assert not Inspection.objects.exists()


def test_a_version_trains_on_the_verdicts_of_a_line(line, version, make_part, judge, ivy, monkeypatch):
    told = []

    def train(items, **options):
        told.extend(items)
        raise ValueError("enough seen")

    monkeypatch.setattr(retraining, "train", train)
    HeldOut.objects.create(pk=1, share=0)  # six serials are few
    for number in range(6):
        judge(make_part(f"SN{number}", photos=2), ivy, ("ok", "scratched")[number % 2])
    make_part("SN9")
    assert "enough seen" in refusal("train_model", "--line", "line-a", "--name", "v3", "--renderings", "0")
    assert [(item.group, item.label) for item in told] == [(f"SN{n // 2}", n // 2 % 2 == 1) for n in range(12)]
    assert {item.split for item in told} == {"train", "calibrate"}
    assert Snapshot.objects.get().by == "train_model"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train_model", "--data", "CSV", "--name", "v1"], "belongs to another version"),
        (["train_model", "--data", "CSV", "--name", "a b"], "is no name for a version"),
        (["train_model", "--data", "CSV", "--name", "v3", "--epochs", "0"], "--epochs is at least 1"),
        (["train_model", "--data", "CSV", "--name", "v3", "--minutes", "nan"], "--minutes above 0"),
        (["train_model", "--data", "nowhere.csv", "--name", "v3"], "nowhere.csv does not exist"),
        (["train_model", "--data", "CSV", "--split", "z", "--name", "v3"], "no labelled photo of split 'z'"),
        (["train_model", "--data", "LOST", "--name", "v3"], "cannot read the photo"),
        (["train_model", "--data", "ONE", "--name", "v3"], "These photos cannot be trained on"),
        (["train_model", "--line", "line-z", "--name", "v3"], "There is no line 'line-z'"),
        (["train_model", "--line", "line-a", "--name", "v3"], "has no judged part to train on"),
        (["evaluate_model", "v9", "--data", "CSV"], "There is no model 'v9'. Known models: v1."),
        (["evaluate_model", "v1", "--data", "nowhere.csv"], "nowhere.csv does not exist"),
        (["predict_photos", "v1", "nowhere.jpg"], "nowhere.jpg is not a file"),
        (["replay", "v9", "--line", "line-a"], "There is no model 'v9'"),
        (["replay", "v1", "--line", "line-z"], "There is no line 'line-z'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(line, version, tmp_path, arguments, words):
    eight = [f"{number}.jpg,{'ok' if number % 2 else 'scratched'}" for number in range(8)]
    lists = {"CSV": ["a.jpg,ok", "b.jpg,scratched"], "LOST": eight, "ONE": ["a.jpg,ok"]}
    for name, rows in lists.items():
        (tmp_path / name).write_text("\n".join(["path,label", *rows]))
    given = [str(tmp_path / value) if value in lists else value for value in arguments]
    assert words in refusal(*given)


def test_a_version_whose_weights_are_gone_is_not_measured(version, photos):
    weights_path(version).unlink()
    assert "Model v1 cannot run" in refusal("evaluate_model", "v1", "--data", photos)


def test_a_refused_command_leaves_the_shell_with_1(db, monkeypatch, capsys):
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)  # the test's transaction goes on
    with pytest.raises(SystemExit) as left:
        ManagementUtility(["manage.py", "predict_photos", "v9", "x.jpg", "--json"]).execute()
    printed = capsys.readouterr()
    assert (left.value.code, printed.out) == (1, "")
    assert printed.err == "CommandError: There is no model 'v9'. Known models: none yet.\n"


@pytest.mark.parametrize(
    "name", ["seed_demo", "train_model", "evaluate_model", "predict_photos", "replay", "simulate_line"]
)
def test_every_command_explains_itself(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["manage.py", name, "--help"])
    with pytest.raises(SystemExit) as left:
        ManagementUtility(sys.argv).execute()
    assert left.value.code == 0
    assert "--json" in capsys.readouterr().out


# ---- replay


def test_a_replay_is_retrospective_and_routes_nothing(line, version, make_part):
    old, history = make_part(), make_part(origin=Origin.IMPORTED)
    assert run_json("replay", "v1", "--line", "line-a") == {"model": "v1", "line": "line-a", "replayed": 2, "nulls": 0}
    assert set(Prediction.objects.values_list("inspection", "retrospective")) == {(old.pk, True), (history.pk, True)}
    assert not Routing.objects.exists()
    assert run_json("replay", "v1", "--line", "line-a")["replayed"] == 0


def test_a_replay_with_lost_weights_says_that_nothing_was_answered(line, version, make_part):
    make_part()
    weights_path(version).unlink()
    assert run_json("replay", "v1", "--line", "line-a")["nulls"] == 1


# ---- simulate_line


@pytest.fixture
def factory(transactional_db, first_look, live_server):
    """The demo factory behind a running server; gives its address."""
    run("seed_demo")
    return live_server.url


def simulate(url, *arguments):
    return run_json("simulate_line", "--line", "line-a", "--url", url, "--seed", "5", *arguments)


def test_a_simulated_line_sends_and_judges_parts_through_the_api(factory):
    answer = simulate(factory, "--parts", "6", "--scratched", "0.5")
    assert (answer["line"], answer["seed"], answer["sent"], answer["judged"]) == ("line-a", 5, 6, 6)
    assert set(answer) == {
        "line", "seed", "drift", "sent", "judged", "scratched", "missed", "false_alarms", "unsure", "seeded",
    }  # fmt: skip
    assert set(Inspection.objects.values_list("origin", "state")) == {("simulated", "decided")}
    assert set(Verdict.objects.values_list("inspector__username", flat=True)) <= {"sim-1", "sim-2"}


def test_parts_are_left_for_people(factory):
    assert simulate(factory, "--parts", "3", "--leave", "2", "--drift", "concept")["judged"] == 1


def test_simulated_people_judge_seeded_parts_by_what_stands_behind_them(factory):
    """Their serials look like any other and tell nothing."""
    simulate(factory, "--parts", "6", "--scratched", "0.5")
    for number, part in enumerate(Inspection.objects.order_by("pk")[:4]):
        truth = "scratched" if number % 2 else "ok"
        actions.keep_reference(inspection=part, truth=truth, reason="rendered so", by=User.objects.get(username="sam"))
    Line.objects.update(seed_percent=100, seeded_to=part.pk)
    assert actions.mix_seeds(now=timezone.now() + timedelta(seconds=10)) == 2
    answer = simulate(factory, "--parts", "1", "--miss", "0", "--false-alarm", "0")
    assert (answer["judged"], answer["seeded"]) == (1, 2)
    said = SeededPart.objects.values_list("truth", "inspection__verdicts__outcome")
    assert all(outcome in (truth, "unsure") for truth, outcome in said)


def test_what_a_seeded_part_shows_is_known_by_its_truth_or_by_the_serial_behind_it():
    rates = Rates(scratched=0.5)
    part = next(part for part in map(partial(part_of, rates=rates), range(99)) if part.scratched)
    assert simulation.part_behind(part.serial, "", rates) == part
    assert simulation.part_behind(part.serial, "scratched", rates) == part
    assert not simulation.part_behind(part.serial, "ok", rates).scratched
    assert simulation.part_behind("SN1", "scratched", rates).scratched
    assert simulation.part_behind("SN1", "", rates) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name the line with --line"),
        (["--line", "line-z"], "There is no line 'line-z'"),
        (["--line", "line-c"], "Line C is not a demo line"),
        (["--line", "line-a", "--parts", "0"], "--parts is at least 1"),
        (["--line", "line-a", "--rate", "0"], "--rate is above 0"),
        (["--line", "line-a", "--seed", "-1"], "--seed is at least 0"),
        (["--line", "line-a", "--miss", "1.5"], "shares from 0 to 1"),
        (["--line", "line-a", "--scratched", "nan"], "shares from 0 to 1"),
        (["--line", "line-a", "--drift-from", "1"], "from 0 to below 1"),
        (["--line", "line-a", "--drift-station", "nowhere"], "has no station 'nowhere'"),
        (["--line", "line-a", "--drift", "earthquake"], "invalid choice: 'earthquake'"),
        (["--line", "line-a", "--url", "http://127.0.0.1:9"], "No server answers at http://127.0.0.1:9"),
    ],
    ids=str,
)
def test_a_simulation_that_cannot_run_says_why(db, first_look, arguments, words, monkeypatch):
    run("seed_demo")
    Line.objects.create(slug="line-c", name="Line C")
    monkeypatch.setattr(simulate_line, "wait_for_server", lambda client, _: simulation.wait_for_server(client, 0))
    with pytest.raises(CommandError, match=words.split("'")[0]) as refused:
        run("simulate_line", *arguments)
    assert words in str(refused.value)


def test_without_the_demos_people_nobody_judges(line):
    line.demo = True
    line.save()
    assert "'sim-1' is missing. Run 'manage.py seed_demo' first." in refusal("simulate_line", "--line", "line-a")


def test_a_part_and_its_truth_are_given_by_its_number():
    parts = [part_of(number, Rates(scratched=0.3)) for number in range(400)]
    assert parts == [part_of(number, Rates(scratched=0.3)) for number in range(400)]
    assert 0.2 < sum(part.scratched for part in parts) / 400 < 0.4
    assert [simulation.number_of(part.serial) for part in parts] == list(range(400))
    assert simulation.number_of("SN00001") is simulation.number_of("SIMx") is None


@pytest.mark.parametrize("drift", [drift for drift in DRIFTS if drift != "concept"])
def test_a_drift_sets_in_in_the_middle_of_a_run(drift):
    part = next(part for part in (part_of(n, Rates()) for n in range(100)) if part.scratched)
    before, early, late = photo_of(part, None, 0.0), photo_of(part, drift, 0.0), photo_of(part, drift, 1.0)
    assert before == early != late


def test_a_drift_sets_in_where_and_when_it_is_told():
    sent = []
    camera = type(
        "Camera", (), {"send_part": lambda self, fields, photo, key: (sent.append((fields, photo)), (201, {}))[1]}
    )()
    run = simulation.Run(
        "line-a", camera, [], Rates(), np.random.default_rng(1), ["one", "two"], "lighting", begins=0.75, drifting="two"
    )
    for number, progress in ((1, 0.7), (2, 0.8), (3, 0.8)):
        run.send_next(number, progress)
    plain = [photo_of(part_of(number, Rates()), None, 0.0) for number in (1, 2, 3)]
    assert [photo == before for (_, photo), before in zip(sent, plain, strict=True)] == [True, True, False]
    assert [fields["station"] for fields, _ in sent] == ["two", "one", "two"]


def test_when_the_concept_moves_dirt_is_judged_scratched():
    rates = Rates(miss=0, false_alarm=0, unsure=0)
    oily = next(part for part in (part_of(n, rates) for n in range(1000)) if part.flaw == "oil")
    said = [verdict_of(oily, rates, np.random.default_rng(1), concept_moved=moved) for moved in (False, True)]
    assert said == ["ok", "scratched"]


def test_simulated_people_err_at_their_stated_rates():
    rates, rng = Rates(miss=0.2, false_alarm=0.1, unsure=0.05), np.random.default_rng(1)
    parts = {part.scratched: part for part in (part_of(number, rates) for number in range(50))}
    bad, good = ([verdict_of(parts[truth], rates, rng) for _ in range(5000)] for truth in (True, False))
    assert bad.count("ok") / 5000 == pytest.approx(0.95 * 0.2, abs=0.03)
    assert good.count("scratched") / 5000 == pytest.approx(0.95 * 0.1, abs=0.03)
    assert good.count("unsure") / 5000 == pytest.approx(0.05, abs=0.02)

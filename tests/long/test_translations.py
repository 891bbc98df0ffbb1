"""Every word that is marked has its Chinese, the compiled catalogues are the sources', and an inspector reads no English."""

import ast
import gettext
import json
import re
from collections.abc import Iterator
from datetime import time
from html.parser import HTMLParser
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation.template import templatize

from inspection import actions
from inspection.models import Line, Shift, Station, Variant
from inspection.moves import State
from inspection.roles import Role
from shadow.asked import GROUPINGS
from tests.conftest import make_person

pytestmark = pytest.mark.one_database

BASE = settings.BASE_DIR
CATALOGUES = sorted((BASE / "locale").glob("*/LC_MESSAGES/*.po"))


@pytest.fixture(params=CATALOGUES, ids=lambda path: path.stem)
def catalogue(request) -> polib.POFile:
    return polib.pofile(str(request.param))


def key_of(entry: polib.POEntry) -> str:
    """As the compiled catalogue keeps a message: its context before it."""
    return f"{entry.msgctxt}\x04{entry.msgid}" if entry.msgctxt else entry.msgid


def test_every_language_beside_english_has_both_catalogues():
    languages = {code for code, _ in settings.LANGUAGES} - {"en"}
    found = {(path.parts[-3], path.stem) for path in CATALOGUES}
    assert found == {(translation.to_locale(code), name) for code in languages for name in ("django", "djangojs")}


def test_what_is_compiled_is_what_was_translated(catalogue):
    """`make messages` compiles; a clean clone has no GNU gettext and uses what is committed."""
    with Path(catalogue.fpath).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    compiled.pop("")
    expected = {}
    for entry in catalogue:
        if entry.msgid_plural:
            expected |= {(key_of(entry), number): words for number, words in entry.msgstr_plural.items()}
        else:
            expected[key_of(entry)] = entry.msgstr
    assert compiled == expected


def test_nothing_is_left_untranslated_or_guessed(catalogue):
    assert [entry.msgid for entry in catalogue.untranslated_entries()] == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []
    assert [entry.msgid for entry in catalogue.obsolete_entries()] == []


# %(name)s, %s, {name}, {name:,} and the HTML in a sentence.
PLACES = re.compile(r"%\(\w+\)s|%[sd]|%%|\{\w*(?:![rs])?(?::[^}]*)?\}|</?\w+[^>]*>")


def places(words: str) -> list[str]:
    return sorted(PLACES.findall(words))


def test_placeholders_survive_the_translation(catalogue):
    for entry in catalogue:
        source = entry.msgid_plural or entry.msgid
        for words in entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]:
            assert places(words) == places(source), entry.msgid


# A call that marks a message, in Python, in what Django makes of a template, and in a script.
STRINGS = r"""((?:u?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')\s*)+)"""
CALL = re.compile(rf"(?<![\w.])(_|n?p?gettext(?:_lazy|_noop)?)\(\s*{STRINGS}(?:,\s*{STRINGS})?")


def marked(source: str) -> Iterator[str]:
    for name, *strings in CALL.findall(source):
        first, second = (ast.literal_eval(f"({text})") if text else "" for text in strings)
        yield f"{first}\x04{second}" if "pgettext" in name else first


def sources(domain: str) -> Iterator[str]:
    if domain == "djangojs":
        yield from (path.read_text() for path in (BASE / "static" / "js").glob("**/*.js"))
        return
    yield from (templatize(path.read_text()) for path in (BASE / "templates").glob("**/*.html"))
    for app in ("inspection", "shadow", "monitoring", "automation", "config"):
        yield from (path.read_text() for path in (BASE / app).glob("**/*.py"))


def test_the_catalogues_hold_what_the_sources_mark(catalogue):
    """After a change of words: `make messages`, translate, `make messages` again."""
    found = {message for source in sources(Path(catalogue.fpath).stem) for message in marked(source)}
    kept = {key_of(entry) for entry in catalogue}
    assert (sorted(found - kept), sorted(kept - found)) == ([], [])


# The pages, read in Chinese

# Names and units that are the same in Chinese: the product, the cast, serials, what is printed on keys, formats.
SAME = re.compile(
    r"Shadowline|\bSN\w+|\b(ivy|ian|ida|igor|sam|ada)\b|\bP-\w+|\b(Shift|Enter|Esc|Backspace|Delete|Del|Left|PgUp|PgDn|Ins|Home|End|F13)\b"
    r"|\b(JPEG|PNG|WebP|CLAHE|CSV|JSON|API|Cookie)\b|\b(station|variant|line-[abz]|cam-1|front|scratch|oil)\b"
    r"|\b(UTC|Asia/Shanghai|Europe/Berlin)\b"
    r"|\b(Kappa|AIAG|Fleiss|Cohen|Dawid and Skene|Clopper-Pearson|Cochran-Armitage|PDF|XLSX)\b"
)
READ = ("title", "aria-label", "placeholder", "alt", "data-confirm", "data-said", "label")


class Reader(HTMLParser):
    """Collects what a page shows or a screen reader says, but not what another language's `lang` marks as its own."""

    VOID = {"meta", "link", "img", "input", "br", "hr", "path", "source"}

    def __init__(self):
        super().__init__()
        self.words: list[str] = []
        self.skipped: list[str] = []  # the open elements from the one that is not read inwards

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        foreign = tag != "html" and attributes.get("lang", "zh-hans") != "zh-hans"
        if (self.skipped or foreign or tag in ("script", "style", "code")) and tag not in self.VOID:
            self.skipped.append(tag)
        if not self.skipped:
            self.words += [attributes[name] or "" for name in READ if name in attributes]

    def handle_endtag(self, tag):
        if tag in self.skipped:
            del self.skipped[self.skipped.index(tag) :]

    def handle_data(self, data):
        if not self.skipped:
            self.words.append(data)


def english_in(html: str) -> list[str]:
    reader = Reader()
    reader.feed(html)
    return [words.strip() for words in reader.words if re.search(r"[A-Za-z]{3,}", SAME.sub("", words))]


def test_the_reader_of_pages_finds_english():
    page = '<html lang="zh-hans"><p title="Left">判定 <b>Judge it</b><i lang="en">English</i><script>let a</script> SN1</p>'
    assert english_in(page) == ["Judge it"]


@pytest.fixture
def zh(client, line, kinds):
    """A browser that asks for Chinese, on a line whose own names are Chinese too."""
    Line.objects.filter(pk=line.pk).update(name="一号线")
    for kind, name in zip(kinds, ("划痕", "油渍"), strict=True):
        type(kind).objects.filter(pk=kind.pk).update(name=name)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-CN,zh;q=0.9,en;q=0.5"
    return client


def reads_chinese(response, status=200) -> str:
    html = response.content.decode()
    assert response.status_code == status
    assert '<html lang="zh-hans"' in html
    assert english_in(html) == []
    return html


def test_the_door_reads_chinese(zh, ivy, settings):
    login = reverse("login")
    assert "登录" in reads_chinese(zh.get(login))
    reads_chinese(zh.get(login, {"next": "/parts/"}))
    reads_chinese(zh.post(login, {"username": "ivy", "password": "wrong"}))
    for _ in range(settings.AXES_FAILURE_LIMIT):
        locked = zh.post(login, {"username": "ivy", "password": "wrong"}, REMOTE_ADDR="10.0.0.8")
    reads_chinese(locked, locked.status_code)


INSPECTORS_PAGES = [
    ("inspect", []),
    ("inspect", ["line-a"]),
    ("parts", []),
    ("part_history", ["SN1"]),
    ("preferences", []),
    ("shift_summary", ["line-a"]),
    ("samples", ["line-a"]),
]


@pytest.mark.parametrize(("name", "args"), INSPECTORS_PAGES, ids=lambda value: str(value))
@pytest.mark.parametrize("parts", [0, 3])
def test_an_inspector_reads_chinese(zh, ivy, make_part, judge, name, args, parts):
    if name == "inspect" and not args:
        Line.objects.create(slug="line-b", name="二号线")
    if parts or name == "part_history":
        judge(make_part("SN1", photos=2), ivy, "scratched")
    for number in range(2, parts + 1):
        make_part(f"SN{number}", photos=2)
    zh.force_login(ivy)
    reads_chinese(zh.get(reverse(name, args=args)))


def test_an_inspector_reads_chinese_when_something_is_refused(zh, ivy, make_part):
    zh.force_login(ivy)
    reads_chinese(zh.get(reverse("queue")), 403)
    reads_chinese(zh.get("/nowhere/"), 404)
    reads_chinese(zh.get(reverse("inspect", args=["line-z"])), 404)
    reads_chinese(zh.get(reverse("parts"), {"serial": "SN404"}), 404)
    reads_chinese(zh.get(reverse("photo", args=[1])), 404)
    part = make_part()
    reads_chinese(zh.post(reverse("verdict", args=[part.pk]), {"outcome": "ok"}), 400)
    reads_chinese(zh.post(reverse("release", args=[part.pk]), {"lease": "gone"}), 409)
    zh.handler.enforce_csrf_checks = True
    reads_chinese(zh.post(reverse("logout")), 403)


def test_an_inspector_reads_chinese_after_each_act(zh, ivy, make_part, line):
    zh.force_login(ivy)
    for name, said in (("release", {}), ("skip", {"reason": "眩光"}), ("retake", {"reason": "油渍"})):
        make_part()
        lease = actions.claim(line=line, by=ivy)
        url = reverse(name, args=[lease.inspection_id])
        reads_chinese(zh.post(url, {"lease": lease.token, **said}, follow=True))


def test_the_second_thought_reads_chinese(zh, ivy, make_part, judge):
    verdict = judge(make_part("SN1"), ivy, "ok")
    zh.force_login(ivy)
    reads_chinese(zh.get(reverse("verdict_change", args=[verdict.pk])))
    correct = reverse("correct", args=[verdict.pk])
    reads_chinese(zh.post(correct, {"outcome": "scratched"}, follow=True))
    reads_chinese(zh.post(correct, {"outcome": "scratched"}, follow=True))
    reads_chinese(zh.get(reverse("part_history", args=["SN1"])))


def test_the_api_refuses_in_the_callers_language(zh, ivy):
    zh.force_login(ivy)
    answer = zh.post("/api/v1/queue/claim/", {"line": "line-z"}, content_type="application/json").json()
    assert english_in(answer["detail"]) == []
    assert answer["title"] == "未找到"
    refused = zh.get("/api/v1/inspections/", {"state": "SN"})  # the states themselves are the API's own words
    assert (refused.status_code, english_in(refused.json()["detail"].split("：")[0])) == (400, [])
    stranger = zh.get(reverse("api_mine"), headers={"X-Person": "0"})
    assert (stranger.status_code, stranger.json()["title"]) == (401, "未登录")
    assert english_in(stranger.json()["detail"]) == []


SUPERVISORS_PAGES = ["home", "queue", "containments", "alarms", "agreement_report", "discrepancies", "models"]
SUPERVISORS_PAGES += ["inspectors", "references", "studies", "plan_study", "discrepancies_done"]
SETUP = ("lines", "stations", "variants", "shifts", "defect_kinds", "samples", "users")


@pytest.mark.parametrize("name", SUPERVISORS_PAGES)
def test_a_supervisors_lists_read_chinese(zh, sam, ivy, make_part, judge, name):
    judge(make_part("SN1"), ivy, "ok")
    make_part("SN2")
    zh.force_login(sam)
    reads_chinese(zh.get(reverse(name)))


def test_the_queue_reads_chinese_with_a_held_part_and_an_urgent_lot(zh, sam, ivy, make_part, line):
    make_part("SN1", lot="SN")
    make_part("SN2")
    zh.force_login(sam)
    asked = {"line": line.slug, "lot": "SN"}
    assert "优先" in reads_chinese(zh.post(reverse("mark_lot_urgent"), asked, follow=True))
    lease = actions.claim(line=line, by=ivy)
    html = reads_chinese(zh.get(reverse("queue")))
    assert "取消批次 SN 的加急" in html
    assert reverse("free_lease", args=[lease.inspection_id]) in html
    for show in ("free", "held", "supervisor"):
        reads_chinese(zh.get(reverse("queue"), {"show": show}))
    reads_chinese(zh.post(reverse("end_urgency"), asked, follow=True))
    reads_chinese(zh.post(reverse("mark_lot_urgent"), {"line": line.slug, "lot": ""}), 400)


def test_who_saw_the_models_answer_reads_chinese(zh, sam, ivy, make_part, line):
    part = make_part("SN1")
    lease = actions.claim(line=line, by=ivy)
    actions.note_model_output_shown(inspection=part, user=ivy, where="test")
    actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="ok")
    zh.force_login(sam)
    assert "看到了模型的答案" in zh.get(reverse("part_history", args=["SN1"])).content.decode()


def test_a_containment_reads_chinese(zh, sam, ivy, make_part, line, later):
    part = make_part("SN1", lot="SN")
    part.state, part.hold_until = State.HELD, later(60)
    part.save()
    actions.decide_by_machine(inspection=part, outcome="pass", reason="score 0.01", audited=True)
    lease = actions.claim(line=line, by=ivy)
    actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="scratched")
    actions.contain_escapes()
    zh.force_login(sam)
    assert "SN1" in reads_chinese(zh.get(reverse("containments")))
    close = reverse("close_containment", args=[part.containment.pk])
    reads_chinese(zh.post(close, {"cause": "灯不亮"}, follow=True))
    reads_chinese(zh.post(close, {"cause": "灯不亮"}), 409)


@pytest.fixture
def study(line, make_part, judge, ivy, sam):
    """A study of ten judged references by two inspectors who know none of them; the first has answered what waited."""
    references = []
    for number in range(10):
        truth = ("ok", "scratched")[number % 2]
        part = make_part()
        judge(part, ivy, truth)
        part.refresh_from_db()
        references.append(actions.keep_reference(inspection=part, truth=truth, reason="测量", by=sam))
    people = [make_person(name, Role.INSPECTOR) for name in ("ida", "igor")]
    begun = actions.start_study(line=line, name="三月", references=references, inspectors=people, rounds=2, by=sam)
    while lease := actions.claim(line=line, by=people[0]):
        actions.record_verdict(inspection=lease.inspection, by=people[0], lease=lease.token, outcome="ok")
    return begun


def test_the_figures_of_inspectors_read_chinese(zh, sam, ada, study):
    for person in (sam, ada):
        zh.force_login(person)
        reads_chinese(zh.get(reverse("study", args=[study.pk])))
        for name in ("inspectors", "references", "studies"):
            reads_chinese(zh.get(reverse(name)))
    zh.force_login(sam)
    for step in ("parts", "inspectors", "rounds", "review"):
        reads_chinese(zh.get(reverse("plan_study"), {"step": step}))
    keep = {"line": "line-a", "serial": "SN404", "truth": "ok", "reason": "测量"}
    reads_chinese(zh.post(reverse("keep_reference"), keep), 404)
    reads_chinese(zh.post(reverse("close_study", args=[study.pk]), follow=True))


def test_the_desk_reads_chinese(zh, sam, compared):
    open_ones = [compared("scratched", 0.1, heat=True), compared("ok", 0.9), compared("scratched", 0.2, photos=2)]
    compared("ok", 0.1)
    zh.force_login(sam)
    reads_chinese(zh.get(reverse("discrepancies")))
    for one in open_ones:
        reads_chinese(zh.get(reverse("discrepancy", args=[one.pk])))
    for one, finding in zip(open_ones, ("person", "model", "ambiguous"), strict=True):
        url = reverse("discrepancy", args=[one.pk])
        reads_chinese(zh.post(url, {"finding": finding, "reason": ""}), 400)
        reads_chinese(zh.post(url, {"finding": finding, "reason": "反光"}, follow=True))
        for name, said in (("teach", {}), ("second_look", {}), ("sample", {"position": "0"}), ("reference", {})):
            zh.post(reverse(f"discrepancy_{name}", args=[one.pk]), said)
        reads_chinese(zh.get(url))
    reads_chinese(zh.get(reverse("discrepancies"), {"adjudicated": "yes"}))
    reads_chinese(zh.get(reverse("discrepancies_done")))


@pytest.mark.parametrize("evidence", ["blind", "assisted", "retrospective"])
@pytest.mark.parametrize("parts", [0, 4])
def test_the_agreement_report_reads_chinese(zh, sam, compared, line, evidence, parts):
    for number in range(parts):
        score = (0.1, 0.9, 0.2, None)[number]
        compared(("ok", "scratched")[number % 2], score, blind=evidence == "blind", lot="SN")
    zh.force_login(sam)
    for by in GROUPINGS:
        asked = {"evidence": evidence, "group_by": by, "model": "v1" if parts else ""}
        reads_chinese(zh.get(reverse("agreement_report"), {name: value for name, value in asked.items() if value}))


def test_a_containment_is_read_and_worked_on_in_chinese(zh, sam, make_part, compared):
    escaped = compared("ok", 0.9, lot="SN")
    make_part("SN2", lot="SN")
    zh.force_login(sam)
    zh.post(reverse("discrepancy", args=[escaped.pk]), {"finding": "model", "reason": "细划痕"})
    pk = escaped.inspection.containment.pk
    reads_chinese(zh.get(reverse("containments")))
    reads_chinese(zh.get(reverse("containment", args=[pk])))
    reads_chinese(zh.post(reverse("take_containment", args=[pk]), {"owner": sam.pk}, follow=True))
    reads_chinese(zh.post(reverse("close_containment", args=[pk]), {"cause": "灯不亮"}, follow=True))
    reads_chinese(zh.get(reverse("containment", args=[pk])))
    reads_chinese(zh.get(reverse("containments"), {"show": "closed"}))


@pytest.mark.parametrize("many", SETUP)
def test_an_admin_sets_up_in_chinese(zh, ada, ivy, station, many):
    Shift.objects.create(line=station.line, name="夜班", starts_at=time(22), ends_at=time(6))
    Variant.objects.create(slug="variant", name="一号机")
    Station.objects.update(name="一号相机")
    zh.force_login(ada)
    reads_chinese(zh.get(reverse(f"setup_{many}")))
    new = reverse(f"setup_{many.removesuffix('s')}_new")
    reads_chinese(zh.get(new))
    reads_chinese(zh.post(new, {"name": "", "password": "123"}), 400)


# Which language


def test_ones_own_language_goes_before_the_browsers(client, ivy, line):
    client.force_login(ivy)
    asked = {"HTTP_ACCEPT_LANGUAGE": "en"}
    assert '<html lang="en"' in client.get(reverse("parts"), **asked).content.decode()
    type(ivy).objects.filter(pk=ivy.pk).update(language="zh-hans")
    response = client.get(reverse("parts"), **asked)
    assert '<html lang="zh-hans"' in response.content.decode()
    assert response["Content-Language"] == "zh-hans"


def test_a_language_that_is_gone_is_as_none(client, ivy, line):
    type(ivy).objects.filter(pk=ivy.pk).update(language="tlh")
    client.force_login(ivy)
    assert '<html lang="en"' in client.get(reverse("parts")).content.decode()


def test_the_switch_at_the_door_is_kept_for_a_year(client, db):
    chosen = client.post(reverse("set_language"), {"language": "zh-hans", "next": "/login/?next=/parts/"})
    assert (chosen.status_code, chosen.url) == (302, "/login/?next=/parts/")
    assert chosen.cookies[settings.LANGUAGE_COOKIE_NAME]["max-age"] == 365 * 24 * 3600
    assert '<html lang="zh-hans"' in client.get(reverse("login")).content.decode()


# The scripts' words


def test_the_scripts_words_come_once_and_are_kept(client):
    url = reverse("script_words", args=["zh-hans"])
    first = client.get(url)
    assert "刚刚" in json.loads(re.search(r"const newcatalog = (\{.*?\});", first.content.decode(), re.S)[1]).values()
    assert first["Cache-Control"] == "public, max-age=14400"
    again = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(reverse("script_words", args=["en"]))["ETag"] != first["ETag"]
    assert client.get(reverse("script_words", args=["xx"])).status_code == 404


def test_a_page_loads_the_words_before_its_modules(client, db):
    html = client.get(reverse("login")).content.decode()
    assert f'<script defer src="{reverse("script_words", args=["en"])}">' in html
    assert html.index("jsi18n") < html.index('type="module"')

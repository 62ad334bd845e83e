"""The report of a recipe, also as a real browser shows it."""

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings
from cnn_mellin.errors import DataError
from cnn_mellin.formats.scoring_folding import write_folding
from cnn_mellin.recipe.options import RecipeOptions, read_options, tiny_sizes, write_options
from cnn_mellin.report.recipe_report import results_text, write_report
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.training.history import EpochRecord, write_history

pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")

NAME = "fbank-81-10ms"
RATES = (0.8, 1.0, 1.25)


@pytest.fixture(scope="module")
def recipe(small_corpus, tmp_path_factory) -> Path:
    """A recipe's folder with invented transcripts: mcorr makes fewer errors, also at other speaking rates."""
    folder: Path = tmp_path_factory.mktemp("report") / "exp"
    data, ext = folder / "data" / NAME, folder / "data" / NAME / "ext"
    assert main(["--quiet", "prep", "timit", str(small_corpus), str(folder / "data"), "--partial"]) == 0
    sizes = tiny_sizes()
    write_options(folder, RecipeOptions(str(small_corpus), "timit", ("--partial",), (NAME,), num_seeds=2, sizes=sizes))
    lines = {name: (ext / f"{name}.ref.trn").read_text().splitlines() for name in ("dev", "test")}
    for model, every in (("lcorr", 3), ("mcorr", 6)):
        system = f"{model}-{NAME}"
        for seed in (1, 2):
            write(folder / "systems" / f"{system}-greedy/seed{seed}/test.trn", lines["test"], every + seed)
            write(folder / "systems" / f"{system}-trigram/seed{seed}/test.trn", lines["test"], every + seed + 4)
            write(folder / "systems" / f"{system}-trigram/seed{seed}/dev.trn", lines["dev"], every + seed)
            records = [EpochRecord(i, 1e-3, 3 / i, 90 / i - seed, 0, 0, 10.0, 1.0) for i in range(1, 6)]
            path = folder / "models" / system / f"seed{seed}"
            path.mkdir(parents=True)
            write_history(path / "history.csv", records)
        scored = [
            {"rates": [{"group": "speaker", "name": f"{r:g}", "percent": 20 + abs(r - 1) * 300 / every} for r in RATES]}
            for _ in (1, 2)
        ]
        (folder / "scores").mkdir(exist_ok=True)
        (folder / "scores" / f"{system}-speed.json").write_text(json.dumps(scored))
        files = [str(folder / "systems" / f"{system}-greedy" / f"seed{seed}" / "test.trn") for seed in (1, 2)]
        save(folder / "scores" / f"{system}.json", ["score", str(ext / "test.ref.trn"), *files, "--per-phone"])
    write_rates(folder, lines["test"])
    decoders, models = ("greedy", "trigram"), ("lcorr", "mcorr")
    compared = {decoder: [f"{model}-{NAME}-{decoder}" for model in models] for decoder in decoders}
    compared |= {f"search-{model}-{NAME}": [f"{model}-{NAME}-{d}" for d in decoders] for model in models}
    for what, names in compared.items():
        systems = [str(folder / "systems" / name) for name in names]
        arguments = ["compare", *systems, "--references", str(ext), "--replications", "100"]
        save(folder / "comparison" / f"{what}.json", arguments)
    write(folder / "untrained" / f"mcorr-{NAME}.trn", lines["test"], 1)
    (folder / "conf" / "final").mkdir(parents=True)
    (folder / "conf" / "final" / f"mcorr-{NAME}.ini").write_text("[model]\nwindow_size = 3\n# no setting\n")
    (folder / "conf" / "final" / f"lcorr-{NAME}.ini").write_text("[model]\nwindow_size = 4\n")
    assert data.is_dir()
    assert Settings().model.window_size
    return folder


def write_rates(folder: Path, lines: list[str]) -> None:
    """Write references, and transcripts of all systems, at all speaking rates."""
    ext = folder / "speed" / NAME / "ext"
    at_rates = [f"{line.removesuffix(')')}_rate{rate:g})" for line in lines for rate in RATES]
    write(ext / "test.ref.trn", at_rates, 1000)
    names = [line.rpartition("(")[2].removesuffix(")") for line in at_rates]
    (ext / "utt2rate").write_text("".join(f"{name} {name.rpartition('_rate')[2]}\n" for name in names))
    for model, every in (("lcorr", 3), ("mcorr", 6)):
        for seed in (1, 2):
            write(folder / "speed" / "systems" / f"{model}-{NAME}" / f"seed{seed}" / "test.trn", at_rates, every + seed)


def write(path: Path, lines: list[str], every: int) -> None:
    """Write transcripts in which one of `every` phones is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = []
    for line in lines:
        phones, name = line.rsplit(" ", 1)
        made.append(" ".join("aa" if i % every == 0 else p for i, p in enumerate(phones.split(), 1)) + f" {name}\n")
    path.write_text("".join(made))


def save(path: Path, arguments: list[str]) -> None:
    import contextlib
    import io

    printed = io.StringIO()
    more = ["--per-speaker"] if arguments[0] == "score" else []
    with contextlib.redirect_stdout(printed):
        assert main([*arguments, *more, "--format", "json"]) == 0
    path.parent.mkdir(exist_ok=True)
    path.write_text(printed.getvalue())


@pytest.mark.slow
def test_the_page_names_the_best_model_first_and_needs_no_other_file(recipe):
    page, markdown = (path.read_text(encoding="utf-8") for path in write_report(recipe))
    compared = json.loads((recipe / "comparison" / "greedy.json").read_text())
    best = compared["systems"][f"mcorr-{NAME}-greedy"]["mean"]
    answer = re.search(r'<div class="answer">(.*?)</div>', page, re.DOTALL)
    assert answer is not None
    assert f"Greedy search: mcorr-{NAME} has the lowest phone error rate, {best:.1f} %" in answer[1]
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    for title in (
        "Results",
        "Language model",
        "Speaking rate",
        "Convolutional layers",
        "Learning curves",
        "By phone",
        "By speaker",
        "Confusions",
        "An utterance",
    ):
        assert title in titles
        assert f"## {title}" in markdown
    assert len(re.findall(r"<svg [^>]*aria-label=", page)) == 6
    links = re.findall(r'(?:src|href)="([^"]{1,40})', page)
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "<text" in page
    assert "url(#f" in page
    assert f"{best:.2f}" in page
    assert f"{best:.2f}" in markdown
    assert "cnn-mellin --device cpu" in page
    assert "window_size = 3" in page
    assert "# no setting" not in page


def cells(text: str, title: str) -> dict[str, dict[str, str]]:
    """The first table below a title, by its first column and its header."""
    lines = text.partition(title)[2].split("\n\n")
    table = next(block for block in lines if block.startswith("|")).splitlines()
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def test_results_show_the_options_chosen_on_dev(recipe, tmp_path):
    folder = Path(shutil.copytree(recipe, tmp_path / "exp"))
    assert "bonus" not in results_text(folder)
    compared = json.loads((folder / "comparison" / "trigram.json").read_text())
    tried = {"beam16-lm0.4": 20.0, "beam16-lm0.4-bonus+1": 19.0, "beam16-lm0.4-bonus+1-blank-0.5": 18.0}
    for choice in compared["choices"].values():
        choice.update(setting="beam16-lm0.4-bonus+1-blank-0.5", percent=tried)
    (folder / "comparison" / "trigram.json").write_text(json.dumps(compared))
    text = results_text(folder, "markdown")
    table = cells(text, "Prefix search with a trigram, settings chosen on dev:")
    assert table[f"mcorr-{NAME}"]["setting"] == "beam16-lm0.4-bonus+1-blank-0.5"
    assert "Setting: the best of 3 on dev, by the mean over the seeds." in text


def test_the_order_of_another_language_model_than_a_trigram_is_named(recipe, tmp_path):
    folder = Path(shutil.copytree(recipe, tmp_path / "exp"))
    options = read_options(folder)
    write_options(folder, replace(options, sizes=options.sizes.updated({"lm_order": "5"})))
    text = results_text(folder)
    assert "Prefix search with n-grams of order 5, settings chosen on dev:" in text
    assert "trigram" not in text.lower()


def test_results_for_a_terminal_have_aligned_tables_without_markup(recipe):
    text = results_text(recipe)
    assert text.startswith("Linear and Mellin models")
    lines = text.partition("Greedy search, no language model:\n\n")[2].splitlines()
    header, lcorr, mcorr = lines[:3]
    assert header.split()[:4] == ["system", "mean", "PER", "%"]
    assert (lcorr.split()[0], mcorr.split()[0]) == (f"lcorr-{NAME}", f"mcorr-{NAME}")
    assert len({len(line) for line in lines[:3]}) == 1
    assert "\nResults\n-------\n" in text
    assert not re.search(r"^[#|*]|\*\*|\\\||--:", text, re.MULTILINE)


def test_results_show_each_seed_the_untrained_model_and_the_gain_of_the_language_model(recipe):
    text = results_text(recipe, "markdown")
    table = cells(text, "Greedy search, no language model:")
    for model in ("lcorr", "mcorr"):
        scored = json.loads((recipe / "scores" / f"{model}-{NAME}.json").read_text())
        percents = [row["percent"] for seed in scored for row in seed["rates"] if row["group"] == "total"]
        row = table[f"{model}-{NAME}"]
        assert [row["seed 1"], row["seed 2"]] == [f"{percent:.2f}" for percent in percents]
    assert table[f"lcorr-{NAME}"]["untrained"] == "–"
    assert float(table[f"mcorr-{NAME}"]["untrained"]) > 90
    gain = cells(text, "## Language model")
    for model in ("lcorr", "mcorr"):
        row = gain[f"{model}-{NAME}"]
        assert row["greedy"] == table[f"{model}-{NAME}"]["mean PER %"]
        assert float(row["points"]) == pytest.approx(float(row["trigram"]) - float(row["greedy"]), abs=0.011)
        assert float(row["points"]) < -2
    assert "One speaker: no interval, and no permutation p below 1; compare on more speakers." in text


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes(recipe):
    first = [path.read_bytes() for path in write_report(recipe)]
    assert [path.read_bytes() for path in write_report(recipe)] == first


@pytest.mark.slow
def test_the_page_says_what_the_models_are_and_which_settings_differ(recipe):
    page, markdown = (path.read_text(encoding="utf-8") for path in write_report(recipe))
    assert "kernels that are shifted along time (linear correlation); mcorr models with kernels" in page
    table = cells(markdown, "## Systems")
    assert table[f"lcorr-{NAME}"]["training, minutes per seed"] == "0.1"  # 5 epochs of 1 s
    assert cells(markdown, "Settings that differ") == {
        "model.window_size": {"setting": "model.window_size", f"lcorr-{NAME}": "4", f"mcorr-{NAME}": "3"}
    }


@pytest.mark.slow
@pytest.mark.parametrize(("p_value", "bold"), [(0.04, 1), (0.06, 0)])
def test_the_best_system_is_bold_only_where_it_is_significantly_better(recipe, tmp_path, p_value, bold):
    folder = Path(shutil.copytree(recipe, tmp_path / "exp"))
    path = folder / "comparison" / "greedy.json"
    compared = json.loads(path.read_text())
    compared["pairs"][0].update(permutation_p_holm=0.01, training_p_holm=p_value)
    path.write_text(json.dumps(compared))
    page = write_report(folder)[0].read_text(encoding="utf-8")
    assert len(re.findall('<tr class="best">', page)) == bold
    assert bool(re.search(f'<tr class="best"><th scope="row">mcorr-{NAME}', page)) == bool(bold)


@pytest.mark.slow
def test_logs_of_the_steps_are_linked(recipe, tmp_path):
    folder = Path(shutil.copytree(recipe, tmp_path / "exp"))
    (folder / "logs").mkdir()
    for name in (f"train-lcorr-{NAME}-seed1", "other"):
        (folder / "logs" / f"{name}.log").write_text("epoch 1\n")
    page, markdown = (path.read_text(encoding="utf-8") for path in write_report(folder))
    assert re.findall('href="(logs/[^"]*)"', page) == [f"logs/train-lcorr-{NAME}-seed1.log"]
    assert f"[train-lcorr-{NAME}-seed1](logs/train-lcorr-{NAME}-seed1.log)" in markdown


@pytest.mark.slow
def test_substitutions_deletions_and_insertions_have_tables_of_their_own(recipe):
    page = write_report(recipe)[0].read_text(encoding="utf-8")
    section = page.partition(">Confusions</h2>")[2].partition("</section>")[0]
    assert '<th scope="col">said</th><th scope="col">recognised</th><th scope="col">times</th>' in section
    assert "(nothing)" not in section  # the transcripts have substitutions only
    assert '<th scope="col">deleted</th>' not in section


@pytest.mark.slow
def test_speaking_rates_are_tested_and_the_finding_is_said(recipe):
    markdown = write_report(recipe)[1].read_text(encoding="utf-8")
    section = markdown.partition("## Speaking rate")[2].partition("\n## ")[0]
    assert (
        f"Compared with lcorr-{NAME}, the phone error rate of mcorr-{NAME} rises as much at 0.8 and as much" in section
    )
    assert "not shown to be more than chance at any speaking rate (lowest p = 1.000)." in section
    rows = [line for line in section.splitlines() if line.startswith(f"| mcorr-{NAME} − lcorr-{NAME} ")]
    assert [row.split("|")[2].strip() for row in rows] == [f"{rate:g}" for rate in RATES]
    for path in (recipe / "speed").rglob("lcorr-*/seed2/test.trn"):
        hidden = path.rename(path.with_suffix(".hidden"))
        try:
            assert "Compared with" not in write_report(recipe)[1].read_text(encoding="utf-8")
        finally:
            hidden.rename(path)


@pytest.mark.slow
def test_the_page_plays_the_utterance_and_stays_small(recipe, tmp_path):
    path, _ = write_report(recipe)
    page = path.read_text(encoding="utf-8")
    assert len(page) < 1_000_000
    durations = {}
    for rate, data in re.findall(r'aria-label="Speaking rate (\S+)[^"]*" src="data:audio/flac;base64,([^"]+)"', page):
        samples, hz = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")
        assert hz == 16000
        assert samples.ndim == 1
        durations[float(rate)] = len(samples)
    assert list(durations) == list(RATES)
    assert durations[0.8] == round(durations[1.0] / 0.8)
    folder = Path(shutil.copytree(recipe, tmp_path / "exp"))
    write_options(folder, replace(read_options(folder), corpus=str(tmp_path / "gone")))
    page = write_report(folder)[0].read_text(encoding="utf-8")
    assert "<audio" not in page
    assert "The page has no audio of it, as the corpus cannot be read now." in page


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_axe_finds_no_fault_in_the_page(recipe, browser, axe, width, dark):
    browser.show(write_report(recipe)[0], width=width, dark=dark)
    browser.value(f"{axe};1")
    shown = "v => v.id + ' ' + v.nodes.map(n => n.html.slice(0, 150)).join(' ')"
    assert browser.value(f"axe.run().then(r => r.violations.map({shown}))") == []
    assert browser.value("axe.run().then(r => r.passes.length)") > 15


@pytest.mark.slow
def test_a_browser_shows_the_page_at_any_width(recipe, browser):
    path, _ = write_report(recipe)
    for width in (1100, 390):
        browser.show(path, width=width)
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("document.querySelector('.answer').getBoundingClientRect().bottom") < 600
        assert browser.value("document.querySelectorAll('svg').length") == 6
        assert browser.value("[...document.querySelectorAll('svg')].every(s => s.getBoundingClientRect().width > 300)")
    # on a phone, figures keep the size of their text, and scroll
    scale = "(svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)(document.querySelector('svg'))"
    assert browser.value(scale) == pytest.approx(4 / 3, abs=0.01)
    assert browser.value("(box => box.scrollWidth > box.clientWidth)(document.querySelector('figure .scroll'))")
    lengths = (
        "[...document.querySelectorAll('audio')].map(a => new Promise(done => { const tell = () => done(a.duration);"
    )
    lengths += " a.readyState ? tell() : a.addEventListener('loadedmetadata', tell); a.load() }))"
    slow, recorded, fast = browser.value(f"Promise.all({lengths})")
    assert slow == pytest.approx(recorded / 0.8, rel=0.01)
    assert fast == pytest.approx(recorded / 1.25, rel=0.01)


@pytest.mark.slow
def test_figures_and_text_follow_the_colour_scheme(recipe, browser):
    path, _ = write_report(recipe)
    colours = {}
    for dark in (False, True):
        browser.show(path, width=1100, dark=dark)
        parts = {"page": "document.body", "text": "document.querySelector('svg text')"}
        parts["line"] = "document.querySelector('svg path[style*=figure-0b5394]')"
        names = {"page": "backgroundColor", "text": "fill", "line": "stroke"}
        colours[dark] = {part: browser.value(f"getComputedStyle({of})[{names[part]!r}]") for part, of in parts.items()}
    assert colours[False] == {"page": "rgb(255, 255, 255)", "text": "rgb(31, 36, 48)", "line": "rgb(11, 83, 148)"}
    assert colours[True] == {"page": "rgb(20, 23, 29)", "text": "rgb(228, 231, 238)", "line": "rgb(110, 168, 230)"}


@pytest.mark.slow
def test_tables_sort_by_click_and_by_enter(recipe, browser):
    browser.show(write_report(recipe)[0], width=1100)
    heads = "[...document.querySelectorAll('th')].filter(th => th.textContent === 'times')"
    column = f"[...{heads}[0].closest('table').tBodies[0].rows].map(row => Number(row.cells[2].textContent))"
    before = browser.value(column)
    assert before == sorted(before, reverse=True)
    assert len(set(before)) > 1
    browser.value(f"{heads}[0].querySelector('button').click()")
    assert browser.value(column) == sorted(before)
    assert browser.value(f"{heads}[0].getAttribute('aria-sort')") == "ascending"
    browser.value(f"{heads}[0].querySelector('button').focus()")
    browser.press("Enter")
    assert browser.value(column) == before
    assert browser.value(f"{heads}[0].getAttribute('aria-sort')") == "descending"


@pytest.mark.slow
def test_columns_of_a_figure_are_labelled_on_focus_and_hover(recipe, browser):
    browser.show(write_report(recipe)[0], width=1100)
    labels = browser.value(
        "[...document.querySelector('.mark').ownerSVGElement.querySelectorAll('.mark')]"
        ".map(m => m.getAttribute('aria-label'))"
    )
    assert re.fullmatch(rf"\S+: lcorr-{NAME} \d+\.\d %, mcorr-{NAME} \d+\.\d %", labels[0])
    shown = "(label => label.hidden ? null : label.textContent)(document.getElementById('label'))"
    assert browser.value(shown) is None
    browser.value("document.querySelector('.mark').focus()")
    assert browser.value(shown) == labels[0]
    browser.press("ArrowRight")
    assert browser.value(shown) == labels[1]
    browser.value("document.activeElement.blur()")
    assert browser.value(shown) is None
    browser.value("document.querySelector('.mark').dispatchEvent(new MouseEvent('mouseenter'))")
    assert browser.value(shown) == labels[0]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("comparison/greedy.json", b"{", "is not JSON (Expecting"),
        ("comparison/greedy.json", b"[" * 100_000, "is nested too deeply"),
        ("comparison/greedy.json", b"[1]", "it is [1], not an object"),
        ("comparison/greedy.json", b'{"num_utterances": "8"}', "num_utterances is '8', not a whole number"),
        ("comparison/trigram.json", b"{}", "num_utterances is missing"),
        (f"scores/lcorr-{NAME}-speed.json", b'[{"rates": [{"group": "speaker"}]}]', "it[0].rates[0].name is missing"),
        (f"scores/lcorr-{NAME}.json", b"\xff", "is not UTF-8 text (byte 0xff)"),
        pytest.param(f"data/{NAME}/dev/partition.json", b'{"digest": 3}', "digest is 3, not", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_is_named_with_its_remedy(recipe, name, content, why):
    path = recipe / name
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        with pytest.raises(DataError) as caught:
            write_report(recipe)
    finally:
        path.write_bytes(before)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert why in message
    assert message.endswith("; delete it and run the recipe's command again, which makes a new one")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            b"1,x,0,0,0,0,0,0\n",
            r"history.csv:2: is not a line of a training's history \(.*: 'x'\)",
        ),
        (b"1,2\n", r"history.csv:2: is not a line of a training's history"),
        (None, r"history.csv:1: has no column 'epoch'; delete it, and the same training writes it again"),
    ],
)
def test_a_damaged_history_is_named_with_its_line(recipe, line, why):
    path = recipe / "models" / f"lcorr-{NAME}" / "seed1" / "history.csv"
    before = path.read_bytes()
    path.write_bytes(b"a,b\n1,2\n" if line is None else before.splitlines(keepends=True)[0] + line)
    try:
        with pytest.raises(DataError, match=why):
            write_report(recipe)
    finally:
        path.write_bytes(before)


def test_a_byte_order_mark_changes_nothing(recipe):
    plain = results_text(recipe)
    paths = [recipe / "comparison" / "greedy.json", recipe / "config.yaml"]
    before = [path.read_bytes() for path in paths]
    for path, content in zip(paths, before, strict=True):
        path.write_bytes(b"\xef\xbb\xbf" + content)
    try:
        assert results_text(recipe) == plain
    finally:
        for path, content in zip(paths, before, strict=True):
            path.write_bytes(content)


def test_markup_in_the_name_of_a_corpus_is_escaped(recipe):
    before = (recipe / "config.yaml").read_bytes()
    write_options(recipe, replace(read_options(recipe), corpus="/data/<img src=x>"))
    try:
        assert "of &lt;img src=x>: " in results_text(recipe, "markdown")
        assert "of <img src=x>: " in results_text(recipe)
    finally:
        (recipe / "config.yaml").write_bytes(before)


@pytest.mark.parametrize(("kind", "folds"), [("timit", True), ("table", False)])
def test_transcripts_are_folded_as_the_data_record_or_else_by_the_kind_of_corpus(tmp_path, kind, folds):
    ext = tmp_path / "data" / NAME / "ext"
    ext.mkdir(parents=True)
    (ext / "test.ref.trn").write_text("ix (u)\n")
    results = RecipeResults(tmp_path, RecipeOptions("/corpus", kind))
    unfolded, folded = ({"u": ["ix"]},) * 2, ({"u": ["ih"]},) * 2
    assert results.transcripts(ext / "test.ref.trn") == (folded if folds else unfolded)
    for recorded, expected in ((True, folded), (False, unfolded)):
        write_folding(ext, folded=recorded)
        assert results.transcripts(ext / "test.ref.trn") == expected


@pytest.mark.slow
def test_phone_feature_error_rates_where_all_symbols_are_known(recipe, tmp_path, monkeypatch):
    pytest.importorskip("panphon", reason="panphon is not installed (the extra features)")
    ext, files = recipe / "data" / NAME / "ext", []
    for seed in (1, 2):
        files.append(str(recipe / "systems" / f"mcorr-{NAME}-greedy" / f"seed{seed}" / "test.trn"))
    save(tmp_path / "scored.json", ["score", str(ext / "test.ref.trn"), *files, "--features"])
    scored = json.loads((tmp_path / "scored.json").read_text())
    mean = sum(file["rates"][0]["feature_percent"] for file in scored) / 2
    assert 0 < mean < sum(file["rates"][0]["percent"] for file in scored) / 2
    markdown = write_report(recipe)[1].read_text(encoding="utf-8")
    section = re.search(r"## Articulatory features\n(.*?)\n## ", markdown, re.DOTALL)
    assert section is not None
    row = next(line for line in section[1].splitlines() if f"mcorr-{NAME}" in line)
    assert f"{mean:.2f}" in row.replace("*", "")

    other = tmp_path / "exp"
    shutil.copytree(recipe, other)
    options = read_options(other)
    write_options(other, replace(options, corpus_kind="table"))
    write_folding(other / "data" / NAME / "ext", folded=False)
    for path in other.rglob("*.trn"):
        path.write_text(re.sub(r"\bs\b", "%%", path.read_text()))
    assert "Articulatory features" not in write_report(other)[1].read_text(encoding="utf-8")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "Articulatory features" not in write_report(recipe)[1].read_text(encoding="utf-8")

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clipgap.config import (
    DIVERSIFY,
    DataConfig,
    DomainConfig,
    PromptsConfig,
    RunConfig,
    load_config,
    load_data_config,
    preset_names,
    to_yaml,
    validate,
)
from clipgap.config.load import PRESETS
from clipgap.errors import ConfigError

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))
DATA = {"classes": ["car", "person"], "source": {"name": "day", "format": "voc", "root": "day", "train": "train"}}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty; what it was started with does not matter."""
    for name in ("CLIPGAP_PHOTOS", "CLIPGAP_DIVERSE_WEATHER", "CLIPGAP_REAL_TO_ART"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def write(path: Path, tree: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return path


def errors(source: object, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load_config(source, overrides)  # type: ignore[arg-type]
    return str(error.value).splitlines()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write(tmp_path / "there" / "run.yaml", {"data": DATA})


# What ships


def test_presets() -> None:
    assert preset_names() == ["diverse_weather", "mini_world", "real_to_art"]


@pytest.mark.parametrize("name", preset_names())
def test_a_presets_paths_are_the_users(name: str, own_folder: Path) -> None:
    (own_folder / name).mkdir()  # a folder of that name is not in the way: `clipgap demo` makes one
    root = Path(load_config(name).data.root)
    folders = {"mini_world": "mini_world", "diverse_weather": "DiverseWeather", "real_to_art": "RealToArt"}
    assert root == own_folder / folders[name]


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_recipes_load_and_mean_the_same_from_every_folder(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(file)
    assert Path(config.data.root).is_absolute()
    monkeypatch.chdir(file.parent)
    assert load_config(file.name) == config


def test_there_are_recipes() -> None:
    assert "photos" in [file.stem for file in RECIPES]


def test_diverse_weather_holds_the_authors_values() -> None:
    config = load_config("diverse_weather")
    data = config.data
    assert data.classes == ["bus", "bike", "car", "motor", "person", "rider", "truck"]
    assert (data.keep_empty, data.voc_boxes, config.batch_norm) == (False, "authors", "train")
    assert data.prompts == PromptsConfig(set="weather", class_template="a photo of a {}")
    source = data.source
    assert (source.name, source.train, source.selection_split, source.scored_split) == (
        "daytime_clear",
        "train",
        "test",
        "test",
    )
    assert source.val == source.test  # they choose the checkpoint on what they score
    assert [(d.name, d.root, d.scored_split) for d in data.targets] == [
        (name, f"{name}/VOC2007", "train") for name in ("night_sunny", "dusk_rainy", "night_rainy", "daytime_foggy")
    ]
    assert {d.format for d in data.domains} == {"voc"}
    values: dict[str, dict[str, Any]] = {
        "clip": {"name": "RN101", "pretrained": "openai", "file": None},
        "image": {"short_side": 600, "long_side": 1333},
        "fit": {
            "steps": 1000,
            "lr": 0.01,
            "images_per_step": 4,
            "crops_per_image": 15,
            "crop_side": 400,
            "flip": 0.5,
            "antialias": False,
        },
        "augment": {"kind": "fitted", "probability": 0.5},
        "train": {
            "steps": 199_000,
            "batch_size": 4,
            "lr": 1e-3,
            "lr_steps": [39_000],
            "lr_gamma": 0.1,
            "momentum": 0.9,
            "weight_decay": 1e-4,
            "flip": 0.5,
            "validate_first": 4000,
            "validate_every": 5000,
            "best_of_equals": "first",
        },
        "evaluate": {"metric": "voc2007", "iou": 0.5, "scoring": "authors"},
        "run": {"precision": "32-true", "out": "runs/diverse_weather"},
        "detector": {
            "classifier": "text",
            "pooling": "attention",
            "temperature": 100,
            "background_logit": 0,
            "frozen": ["stem", "layer1", "layer2"],
            "anchor_sizes": [32, 64, 128, 256, 512],
            "anchor_ratios": [0.5, 1, 2],
            "rpn_pre_nms_top_n_train": 12000,
            "rpn_pre_nms_top_n_test": 6000,
            "rpn_post_nms_top_n_train": 2000,
            "rpn_post_nms_top_n_test": 1000,
            "rpn_nms_thresh": 0.7,
            "rpn_fg_iou_thresh": 0.7,
            "rpn_bg_iou_thresh": 0.3,
            "rpn_batch_size_per_image": 256,
            "rpn_positive_fraction": 0.5,
            "rpn_reg_weights": (1, 1, 1, 1),
            "rpn_init_std": 0.01,
            "box_fg_iou_thresh": 0.5,
            "box_batch_size_per_image": 512,
            "box_positive_fraction": 0.25,
            "box_reg_weights": (10, 10, 5, 5),
            "box_init_std": 0.001,
            "box_growth_limit": 62.5,
            "roi_sampling_ratio": 0,
            "box_score_thresh": 0.05,
            "box_nms_thresh": 0.5,
            "box_detections_per_img": 100,
        },
    }
    tree = config.model_dump()
    assert {section: {key: tree[section][key] for key in keys} for section, keys in values.items()} == values


def test_diverse_weather_says_how_to_have_the_papers_schedule() -> None:
    text = (PRESETS / "diverse_weather.yaml").read_text()
    overrides = re.findall(r"--set (\S+)", text.partition("# Where the data are")[0])
    assert overrides == ["train.steps=100000", "train.lr_steps=[40000]"]
    train = load_config("diverse_weather", overrides).train
    assert (train.steps, train.lr_steps) == (100_000, [40_000])


def test_the_authors_schedule_is_kept_to_the_step() -> None:
    train = load_config("diverse_weather").train
    assert [step for step in range(1, train.steps + 1) if train.validates(step)] == list(range(4000, 199_001, 5000))


def test_real_to_art_holds_the_authors_values() -> None:
    config = load_config("real_to_art")
    data, weather = config.data, load_config("diverse_weather")
    assert data.classes == ["bicycle", "bird", "car", "cat", "dog", "person"]
    assert data.prompts == PromptsConfig(set="art", class_template="a photo of a {}")
    assert [(part.root, split) for part, split in data.source.pieces("train")] == [
        ("VOCdevkit/VOC2007", "trainval"),
        ("VOCdevkit/VOC2012", "train"),
    ]
    assert [data.reading(data.source, part).keep_empty for part in data.source.parts] == [False, False, True]
    assert data.source.selection_split == data.source.scored_split == "VOCdevkit/VOC2012/val"
    assert {data.reading(data.source, part).voc_boxes for part in data.source.parts} == {"standard"}
    told = [(d.name, d.root, d.scored_split, d.metric, data.reading(d, d)) for d in data.targets]
    assert [one[:4] for one in told] == [(name, name, "test", None) for name in ("comic", "watercolor", "clipart")]
    assert [(how.keep_empty, how.voc_boxes, how.size_mismatch) for *_, how in told] == [
        (False, "authors", "error"),
        (False, "authors", "error"),
        (True, "standard", "image"),
    ]
    assert (data.source.metric, config.evaluate, data.match_case) == ("voc2012", weather.evaluate, False)
    assert (config.clip, config.image, config.detector) == (weather.clip, weather.image, weather.detector)
    assert (config.batch_norm, config.fit, config.augment) == (weather.batch_norm, weather.fit, weather.augment)
    others = {"steps": 99_000, "lr": 1e-4, "lr_steps": []}
    assert config.train == weather.train.model_copy(update=others)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"day": "coco"}, r"do not go into one table \(day: coco, fog: voc2007\): use coco for all"),
        ({"day": "coco", "fog": "coco"}, None),
        ({"day": "voc2012"}, None),
    ],
)
def test_metrics_of_domains_go_into_one_table(metrics: dict[str, str], message: str | None) -> None:
    domains = [DATA["source"] | {"name": name, "metric": metrics.get(name)} for name in ("day", "fog")]  # type: ignore[operator]
    tree = {"data": DATA | {"source": domains[0], "targets": domains[1:]}}
    if message is None:
        validate(RunConfig, tree, "c.yaml")
    else:
        with pytest.raises(ConfigError, match=message):
            validate(RunConfig, tree, "c.yaml")


@pytest.mark.parametrize("tree", [{"evaluate": {"metric": "coco", "scoring": "authors"}}])
def test_the_authors_scoring_is_of_vocs_ap(tree: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"scoring: authors` is a way to compute VOC's AP, not COCO's"):
        validate(RunConfig, {"data": DATA} | tree, "c.yaml")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (DATA | {"source": DATA["source"] | {"train": ["a", "b", "a"]}}, "train: 'a' is there twice"),  # type: ignore[operator]
        (DATA | {"classes": ["car", "Car"], "match_case": False}, "compared without case .*: 'car' is there twice"),
        (DATA | {"classes": ["car", "Car"]}, None),
    ],
)
def test_what_must_not_be_there_twice(tree: dict[str, Any], message: str | None) -> None:
    if message is None:
        validate(DataConfig, tree, "d.yaml")
    else:
        with pytest.raises(ConfigError, match=message):
            validate(DataConfig, tree, "d.yaml")


# Round trip


@pytest.mark.parametrize("source", [*preset_names(), *RECIPES], ids=str)
def test_what_is_saved_is_read_back_the_same(source: str | Path, tmp_path: Path) -> None:
    config = load_config(source, ["train.lr=1e-5", "clip.file=w.pt", "detector.frozen=[]", "data.source.val=null"])
    assert config.train.lr == 1e-5
    assert load_config(write(tmp_path / "elsewhere" / "config.yaml", to_yaml(config))) == config


# PyYAML folds the separators NEL, LS and PS like ends of lines.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029")
words = st.text(characters, min_size=1, max_size=8)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    classes=st.lists(words, min_size=1, max_size=4, unique=True),
    name=words,
    prompts=st.lists(words, min_size=2, max_size=4),
    lr=st.floats(1e-12, 1e12),
)
def test_every_word_and_number_survives(classes: list[str], name: str, prompts: list[str], lr: float) -> None:
    tree = {
        "data": {
            "root": os.sep,
            "classes": classes,
            "source": {"name": name, "format": "voc", "rename": {name: classes[0]}},
            "prompts": {"source": prompts[0], "targets": prompts[1:]},
        },
        "train": {"lr": lr},
    }
    config = RunConfig.model_validate(tree)
    with tempfile.TemporaryDirectory() as folder:
        assert load_config(write(Path(folder) / "config.yaml", to_yaml(config))) == config


# --set


def test_overrides_win_in_their_order(run: Path) -> None:
    write(run, {"data": DATA, "train": {"steps": 5, "lr": 0.5}})
    config = load_config(run, ["train.steps=6", "train.steps=7", " fit.steps = 8", "detector.anchor_sizes=[8, 16]"])
    assert (config.train.steps, config.train.lr, config.fit.steps) == (7, 0.5, 8)
    assert config.detector.anchor_sizes == [8, 16]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.steps", "--set train.steps: expected key=value, for example train.steps=300"),
        ("=3", "--set =3: expected key=value, for example train.steps=300"),
        (
            "train.lr_steps=[1",
            "--set train.lr_steps=[1: the value is not valid YAML (expected ',' or ']', but got '<stream end>')",
        ),
        (
            "run.out=2026-13-01",
            "--set run.out=2026-13-01: the value is not valid YAML (a value cannot be read: month must be in 1..12)",
        ),
        ("data.targets.0.root=x", "--set data.targets.0.root=x: targets is not a group of settings"),
        ("batch_norm.kind=x", "--set batch_norm.kind=x: batch_norm is not a group of settings"),
    ],
)
def test_overrides_that_say_nothing(run: Path, override: str, message: str) -> None:
    write(run, {"data": DATA | {"targets": []}, "batch_norm": "train"})
    assert errors(run, override) == [message]


def test_a_misspelt_override_is_answered_like_a_misspelt_key(run: Path) -> None:
    assert errors(run, "train.step=3")[0].startswith(
        "--set train.step=3: no such setting (did you mean steps? there are: steps, batch_size,"
    )
    assert errors(run, "trian.steps=3")[0].startswith(
        "--set trian.steps=3: trian: no such setting (did you mean train? there are: recipe, data, clip, batch_norm"
    )


# Wrong keys and values


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"imgae": {}},
            "imgae: no such setting (did you mean image? there are: recipe, data, clip, batch_norm, image, fit, ",
        ),
        (
            {"image": {"side": 3}},
            "image.side: no such setting (did you mean long_side? there are: short_side, long_side)",
        ),
        (
            {"data": DATA | {"class": 1}},
            "data.class: no such setting (did you mean classes? there are: keep_empty, ",
        ),
        (
            {"data": DATA | {"source": DATA["source"] | {"splits": 1}}},  # type: ignore[operator]
            "data.source.splits: no such setting (there are: format, root, images, annotations, train, val, test, ",
        ),
        (
            {"data": DATA | {"targets": [{"name": "a", "format": "voc"}, {"name": "b", "format": "voc", "tset": "x"}]}},
            "data.targets.1.tset: no such setting (did you mean test? there are: format, root, ",
        ),
        ({"data": None}, "data: expected a group of settings (`{key: value}`), got nothing"),
        ({"data": {"classes": ["car"]}}, "data.source: is missing"),
        ({"data": DATA | {"classes": []}}, "data.classes: "),
        ({"tune": {"rates": ["layer4"]}}, "tune.rates: expected names and values (`{a: b}`), got "),
        (
            {"tune": {"rates": {"layer1": 0.1, "layer4": 0.1}}},
            "tune.rates: layer1: frozen, so that no rate has",
        ),
        ({"train": {"steps": 5}, "tune": {"warm_heads": 5}}, "tune.warm_heads: must be less than the 5 steps"),
        ({"train": {"steps": 0}}, "train.steps: must be at least 1, got 0"),
        ({"train": {"steps": "many"}}, "train.steps: expected a whole number, got 'many'"),
        ({"train": {"lr": 0}}, "train.lr: must be above 0, got 0"),
        ({"train": {"lr": float("inf")}}, "train.lr: expected a finite number, got inf"),
        (
            {"detector": {"background_logit": float("nan")}},
            "detector.background_logit: expected a finite number",
        ),
        ({"augment": {"probability": 1.5}}, "augment.probability: must be at most 1, got 1.5"),
        ({"batch_norm": "off"}, "batch_norm: expected 'frozen' or 'train', got 'off'"),
        ({"detector": {"box_reg_weights": [1, 1, 1]}}, "detector.box_reg_weights.3: "),
        ({"detector": {"frozen": ["layer5"]}}, "detector.frozen.0: expected 'stem', "),
    ],
)
def test_a_wrong_key_or_value_is_named(run: Path, change: dict[str, Any], line: str) -> None:
    write(run, {"data": DATA} | change)
    (found,) = errors(run)
    assert found.startswith(f"{run}: {line}")


def test_every_wrong_key_has_its_line(run: Path) -> None:
    write(run, {"data": DATA | {"colour": 1}, "train": {"steps": -1, "lr": "fast"}, "tarin": {}})
    found = errors(run)
    assert [line.removeprefix(f"{run}: ").split(": ")[0] for line in found] == [
        "data.colour",
        "train.steps",
        "train.lr",
        "tarin",
    ]


def test_classes_and_domains_are_there_once(run: Path) -> None:
    write(run, {"data": DATA | {"classes": ["car", "bus", "car"]}})
    assert errors(run) == [f"{run}: data: classes: 'car' is there twice"]
    write(run, {"data": DATA | {"targets": [{"name": "day", "format": "voc"}]}})
    assert errors(run) == [f"{run}: data: domain names: 'day' is there twice"]


def test_rename_leads_to_one_of_the_classes(run: Path) -> None:
    target = {"name": "fog", "format": "voc", "rename": {"auto": "car", "human": "pedestrian"}}
    write(run, {"data": DATA | {"targets": [target]}})
    assert errors(run) == [f"{run}: data: `rename` of domain fog leads to 'pedestrian', not one of `classes`"]
    del target["rename"]["human"]  # type: ignore[attr-defined]
    assert load_config(write(run, {"data": DATA | {"targets": [target]}})).data.targets[0].rename == {"auto": "car"}


WORDS = {"class_template": ["the {}", "a {}"], "class_names": {"car": ["auto", "car"]}, "background": ["a road", "sky"]}


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (
            {"set": "weather", "source": "day", "targets": ["fog"]},
            "give either `set` or `source` with `targets`, not both",
        ),
        ({"set": "weather", "targets": ["fog"]}, "give either `set` or `source` with `targets`, not both"),
        ({"source": "day"}, "`source` and `targets` belong together: give both"),
        ({"targets": ["fog"]}, "`source` and `targets` belong together: give both"),
        ({"class_template": "a photo"}, "`class_template` needs one {} where the class name goes"),
        ({"class_template": "{} and {}"}, "`class_template` needs one {} where the class name goes"),
        (
            {"class_template": ["a {}", "a photo"]},
            "`class_template` needs one {} where the class name goes ('a photo' has not)",
        ),
        ({"class_template": ["a {}", "a {}"]}, "`class_template`: 'a {}' is there twice"),
        ({"class_names": {"car": ["auto", "auto"]}}, "`class_names` of car: 'auto' is there twice"),
        ({"background": ["sky", "sky"]}, "`background`: 'sky' is there twice"),
    ],
)
def test_prompts_that_contradict_themselves(run: Path, prompts: dict[str, Any], message: str) -> None:
    write(run, {"data": DATA | {"prompts": prompts}})
    assert errors(run) == [f"{run}: data.prompts: {message}"]


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (
            {"class_template": []},
            "data.prompts.class_template: expected text or must not have fewer than 1 entries, got []",
        ),
        ({"class_names": {"car": []}}, "data.prompts.class_names.car: must not have fewer than 1 entries, got []"),
        ({"class_names": {"car": "auto"}}, "data.prompts.class_names.car: expected a list (`[a, b]`), got 'auto'"),
        (
            {"class_names": {"tank": ["a tank"]}},
            "data: `prompts.class_names` has words for 'tank', not one of `classes`",
        ),
    ],
)
def test_words_of_classes_that_cannot_be_used(run: Path, prompts: dict[str, Any], message: str) -> None:
    write(run, {"data": DATA | {"prompts": prompts}})
    assert errors(run) == [f"{run}: {message}"]


def test_prompts_in_words_or_by_name(run: Path) -> None:
    for prompts in ({}, {"set": "art"}, {"source": "day", "targets": ["fog"], "class_template": "the {}"}, WORDS):
        config = load_config(write(run, {"data": DATA | {"prompts": prompts}}))
        assert config.data.prompts == PromptsConfig.model_validate(prompts)


# Files that are no configs


def test_a_missing_file_is_answered_with_the_presets() -> None:
    message = (
        "nowhere.yaml: no such file, and no preset of that name (presets: diverse_weather, mini_world, real_to_art)"
    )
    assert errors("nowhere.yaml") == [message]
    assert len(errors("x" * 5000)) == 1
    assert len(errors(Path())) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"train: {steps: 3}\nfit: [1\ndata: 3\n", ", line 3: not valid YAML"),
        (b"a: 1\n\tb: 2\n", ", line 2: not valid YAML"),
        (b"day: 2026-13-01\n", ": not valid YAML (a value cannot be read: month must be in 1..12)"),
        (b"a: !!bool 7\n", ": not valid YAML"),
        (b"a: !!python/object/apply:os.system [ls]\n", ", line 1: not valid YAML"),
        (b"a: \x00\n", ": not valid YAML"),
        (b"[" * 600, ": not valid YAML"),
        (b"", ": is empty; write `data:` and the other settings"),
        (b"- a\n- b\n", ": expected `key: value` lines, got a list"),
        (b"just words\n", ": expected `key: value` lines, got a value"),
        ("name: fög\n".encode("latin1"), ": not UTF-8 text; save it as UTF-8, or name a YAML file"),
    ],
)
def test_a_file_that_is_no_config_is_one_clear_line(tmp_path: Path, text: bytes, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_bytes(text)
    (line,) = errors(file)
    assert line.startswith(f"{file}{message}")
    with pytest.raises(ConfigError) as error:
        load_data_config(file)
    assert str(error.value).startswith(f"{file}{message}")


@settings(derandomize=True, deadline=None, max_examples=100)
@given(text=st.one_of(st.text(max_size=40), st.text("{}[]:,-!&*#|>\"' \n\t%@`?~ab1.e_x0", max_size=40)))
def test_any_text_is_a_config_error(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.yaml"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        assert errors(file)[0].startswith(str(file))


# Paths


def test_paths_of_a_file_are_relative_to_it_and_the_output_is_not(run: Path) -> None:
    tree = {"data": DATA | {"root": "../photos"}, "clip": {"file": "clip.pt"}, "augment": {"file": "sub/a.safetensors"}}
    config = load_config(os.path.relpath(write(run, tree | {"run": {"out": "runs/a"}})))
    there = run.parent
    assert config.data.root == str(there.parent / "photos")
    assert config.data.folder(config.data.source) == there.parent / "photos" / "day"
    assert (config.clip.file, config.augment.file) == (str(there / "clip.pt"), str(there / "sub/a.safetensors"))
    assert config.run.out == "runs/a"


def test_without_a_root_the_data_are_beside_the_file(run: Path) -> None:
    assert load_config(run).data.root == str(run.parent)


def test_paths_of_overrides_are_relative_to_the_current_folder(run: Path, own_folder: Path) -> None:
    config = load_config(run, ["data.root=photos", "clip.file=../clip.pt", " augment.file = a.safetensors"])
    assert config.data.root == str(own_folder / "photos")
    assert (config.clip.file, config.augment.file) == (
        str(own_folder.parent / "clip.pt"),
        str(own_folder / "a.safetensors"),
    )
    assert load_config("mini_world", ["data.root=/photos", "clip.file=null"]).data.root == "/photos"


def test_a_domains_own_root_may_be_absolute(run: Path, tmp_path: Path) -> None:
    config = load_config(run, [f"data.source.root={tmp_path}"])
    assert config.data.folder(config.data.source) == tmp_path


def test_data_may_name_a_file_of_its_own(run: Path, tmp_path: Path, own_folder: Path) -> None:
    write(tmp_path / "sets" / "photos.yaml", DATA | {"root": "pictures", "keep_empty": False})
    write(run, {"data": "../sets/photos.yaml", "clip": {"file": "clip.pt"}})
    config = load_config(run, ["data.voc_boxes=authors"])
    assert config.data.root == str(tmp_path / "sets" / "pictures")
    assert (config.data.keep_empty, config.data.voc_boxes) == (False, "authors")
    assert config.clip.file == str(run.parent / "clip.pt")
    assert load_data_config(run) == config.data.model_copy(update={"voc_boxes": "standard"})
    replaced = load_config("mini_world", ["data=../sets/photos.yaml", "data.keep_empty=true"]).data
    assert (replaced.root, replaced.classes, replaced.keep_empty) == (config.data.root, ["car", "person"], True)
    write(run, {"data": "nowhere.yaml"})
    (line,) = errors(run)
    assert line.startswith(f"{run.parent / 'nowhere.yaml'}: cannot be read")


# Environment variables


def test_variables(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"name": "day", "format": "voc", "root": "$CLIPGAP_DAY/voc"}
    write(run, {"data": DATA | {"root": "${CLIPGAP_PHOTOS:-../default}/a", "source": source}})
    config = load_config(run)
    assert config.data.root == str(tmp_path / "default" / "a")
    with pytest.raises(ConfigError, match=r"^\$CLIPGAP_DAY/voc: the environment variable CLIPGAP_DAY is not set; set"):
        config.data.folder(config.data.source)
    monkeypatch.setenv("CLIPGAP_PHOTOS", str(tmp_path / "photos"))
    monkeypatch.setenv("CLIPGAP_DAY", "sunny")
    config = load_config(run)
    assert config.data.folder(config.data.source) == tmp_path / "photos/a/sunny/voc"
    monkeypatch.setenv("CLIPGAP_PHOTOS", "")  # empty is not set
    assert load_config(run).data.root == str(tmp_path / "default" / "a")


def test_a_variable_that_is_not_set(run: Path) -> None:
    for name in ("$CLIPGAP_PHOTOS", "${CLIPGAP_PHOTOS}"):
        write(run, {"data": DATA | {"root": f"{name}/a"}})
        message = f"{name}/a: the environment variable CLIPGAP_PHOTOS is not set; set it, or write the path itself"
        assert errors(run) == [message]
    assert errors("mini_world", "clip.file=$CLIPGAP_PHOTOS")[0].startswith("$CLIPGAP_PHOTOS: the environment variable")


# Data files


def test_a_data_file(tmp_path: Path) -> None:
    file = write(tmp_path / "sets" / "photos.yaml", DATA | {"targets": [{"name": "fog", "format": "coco", "val": "v"}]})
    data = load_data_config(os.path.relpath(file))
    assert data == DataConfig.model_validate(DATA | {"root": str(file.parent), "targets": data.targets})
    assert [d.name for d in data.domains] == ["day", "fog"]
    assert data.keep_empty is True
    assert (data.targets[0].selection_split, data.targets[0].scored_split) == ("v", "v")
    write(file, DATA | {"clases": []})
    with pytest.raises(ConfigError) as error:
        load_data_config(file)
    assert str(error.value).startswith(f"{file}: clases: no such setting (did you mean classes? there are: ")
    write(file, DATA | {"classes": ["car", "car"]})
    with pytest.raises(ConfigError) as error:
        load_data_config(file)
    assert str(error.value) == f"{file}: classes: 'car' is there twice"


def test_the_data_of_a_run_config_or_preset(run: Path) -> None:
    for source in (run, "mini_world"):
        assert load_data_config(source) == load_config(source).data


@pytest.mark.parametrize(
    ("splits", "selection", "scored"),
    [({"val": "v", "test": "t"}, "v", "t"), ({"val": "v"}, "v", "v"), ({"test": "t"}, "t", "t"), ({}, None, None)],
)
def test_splits_stand_in_for_each_other(splits: dict[str, str], selection: str | None, scored: str | None) -> None:
    domain = DomainConfig(name="day", format="voc", **splits)  # type: ignore[arg-type]
    assert (domain.selection_split, domain.scored_split) == (selection, scored)


def test_a_variable_that_is_not_set_does_not_matter_where_set_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "run.yaml"
    file.write_text("data: {root: $NOT_SET, classes: [car], source: {name: day, format: voc}}")
    assert load_config(file, ["data.root=~/set"]).data.root == str(tmp_path / "set")


def test_thresholds_that_contradict_each_other_are_named() -> None:
    with pytest.raises(ConfigError, match=r"detector: rpn_bg_iou_thresh must not be above rpn_fg_iou_thresh"):
        load_config("mini_world", ["detector.rpn_fg_iou_thresh=0.2"])


@pytest.mark.parametrize("text", ["train: {steps: 5}\ntrain: {lr: 1}\n", "clip: {name: tiny, name: RN50}\n"])
def test_a_key_that_is_there_twice_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(
        ConfigError, match=r"run\.yaml, line [12]: not valid YAML \('(train|name)' is there twice, first in line 1\)"
    ):
        load_config(file)


def test_the_output_may_be_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load_config("mini_world", ["run.out=~/runs/a"]).run.out == "/home/somebody/runs/a"


def test_a_recipe_lies_under_what_a_config_says_itself(tmp_path: Path) -> None:
    plain = load_config("mini_world")
    robust = load_config("mini_world", ["recipe=robust"])
    assert plain.recipe is None
    assert plain.diversify.kinds == []
    assert robust.diversify.kinds == list(DIVERSIFY)
    assert robust.augment.kind == "none"
    assert robust.train == plain.train
    assert load_config("mini_world", ["recipe=robust", "diversify.kinds=[fourier]"]).diversify.kinds == ["fourier"]
    assert load_config("mini_world", ["recipe=paper"]).augment.kind == "fitted"
    file = tmp_path / "written.yaml"
    file.write_text(to_yaml(robust))
    assert load_config(file) == robust


def test_a_data_file_alone_is_a_run_of_the_robust_recipe(tmp_path: Path) -> None:
    file = tmp_path / "data.yaml"
    file.write_text("classes: [car]\nsource: {name: day, format: voc, root: day, train: train}\n")
    assert load_config(file).recipe == "robust"


def test_a_recipe_that_is_none_is_told() -> None:
    with pytest.raises(
        ConfigError, match=r"recipe: no such recipe \(did you mean robust\? there are: paper, robust\), got 'robsut'"
    ):
        load_config("mini_world", ["recipe=robsut"])

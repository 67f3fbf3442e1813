"""Scores of another program: every column, every place, and every way to get it wrong, with its row."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from contrafake.data.location import File
from contrafake.data.origins import OriginTable
from contrafake.data.sample import Sample
from contrafake.errors import DataError, UsageError
from contrafake.evaluate.evaluation import Failure, Point
from contrafake.evaluate.images import Images
from contrafake.evaluate.score_files import ScoreFile
from contrafake.evaluate.suites import parse_variants

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VARIANTS = parse_variants(["standard"])
KEYS = ["real/1", "real/2", "fake/3", "fake/4"]
NAN = float("nan")


def images(keys: Sequence[str] = KEYS) -> Images:
    samples = [Sample(key, 1 if "fake" in key else 0, "o", "s", "", File(key)) for key in keys]
    return Images.of(samples, OriginTable())


def table(tmp_path: Path, text: str | bytes, name: str = "other.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def scores(path: Path, keys: Sequence[str] = KEYS) -> list[list[float]]:
    found: list[list[float]] = ScoreFile.read(path).scores(images(keys), VARIANTS).tolist()
    return found


def refused(path: Path, keys: Sequence[str] = KEYS) -> str:
    with pytest.raises(DataError) as error:
        ScoreFile.read(path).scores(images(keys), VARIANTS)
    return str(error.value)


def test_scores_by_key(tmp_path: Path) -> None:
    path = table(tmp_path, "key,score\nfake/4,4\nreal/1,-1.5\nreal/2,2e1\nfake/3,3\n")
    np.testing.assert_array_equal(scores(path), [[-1.5, 20, 3, 4], [NAN] * 4])


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,score\r\nreal/1,1\r\nreal/2,2\r\n\r\nfake/3,3\r\nfake/4,4",
        b"PATH\t Score\nreal/1\t1\nreal/2\t2\nfake/3\t3\nfake/4\t4\n",
        b"score;comment;path\n1;a,b;real/1\n2;;real/2\n3;;fake/3\n4;;fake/4\n",
        b'path,score,"a\nb"\nreal/1,1,\nreal/2,2,"x\ny"\nfake/3,3,\nfake/4,4,\n',
    ],
    ids=["bom", "tabs", "semicolons", "lines in cells"],
)
def test_forms_of_tables(tmp_path: Path, text: bytes) -> None:
    assert scores(table(tmp_path, text))[0] == [1, 2, 3, 4]


def test_variants_by_folder_and_by_column(tmp_path: Path) -> None:
    by_folder = "".join(f"out/{v}/{key}.png,{n}\n" for n, (v, key) in enumerate(_each(("untouched", "jpeg-90"))))
    by_column = "".join(f"{key},{n},{v}\n" for n, (v, key) in enumerate(_each(("untouched", "jpeg-90"))))
    by_key = "".join(f"{v}/{key},{n}\n" for n, (v, key) in enumerate(_each(("untouched", "jpeg-90"))))
    for name, text in (
        ("folder.csv", f"path,score\n{by_folder}"),
        ("column.csv", f"path,score,variant\n{by_column}"),
        ("key.csv", f"key,score\n{by_key}"),
    ):
        assert scores(table(tmp_path, text, name)) == [[0, 1, 2, 3], [4, 5, 6, 7]], name


def _each(variants: Sequence[str]) -> list[tuple[str, str]]:
    return [(variant, key) for variant in variants for key in KEYS]


def test_a_variant_that_is_not_evaluated_is_passed_over_and_said(tmp_path: Path) -> None:
    text = "".join(f"{v}/{key}.jpg,1\n" for v, key in _each(("untouched", "webp-80")))
    fitted = ScoreFile.read(table(tmp_path, f"path,score\n{text}")).fit(images(), VARIANTS)
    assert fitted.failures == ()
    assert "other: rows of variants that are not evaluated: webp-80 (4)" in fitted.notes
    assert "other: no scores of 1 of 2 variants (jpeg-90)" in fitted.notes
    only = table(tmp_path, "path,score\nwebp-80/real/1.jpg,1\n")
    assert "none of its rows is about untouched, jpeg-90; they are about webp-80" in refused(only)


def test_variants_without_a_score_are_one_note(tmp_path: Path) -> None:
    path = table(tmp_path, "path,score\n" + "".join(f"{key}.jpg,{n}\n" for n, key in enumerate(KEYS)))
    sweep = parse_variants(["untouched", "jpeg-90", "jpeg-80", "webp-80", "webp-50"])
    notes = ScoreFile.read(path).fit(images(), sweep).notes
    assert notes == ("other: no scores of 4 of 5 variants (jpeg-90, jpeg-80, webp-80, ...)",)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("real/1", "real/1.jpg"),
        ("real/1", "./real/1.jpg"),
        ("real/1", "/data/my set/real/1.PNG"),
        ("real/1", "untouched\\real\\1.jpg"),
        ("images/1.jpg", "images/1.jpg"),
        ("images/1.jpg", "/x/untouched/images/1.jpg.jpg"),
        ("my photo.v2", "untouched/my%20photo.v2.png"),
        ("my photo.v2", "C:\\x\\untouched\\my photo.v2.png"),
        ("sd1.4/é", "untouched/sd1%2E4/%C3%A9.png"),
        ("100%", "100%.png"),
        ("deep/in/a/tree/7", "7.webp"),
        ("deep/in/a/tree/7.png", "flat/7.png"),
    ],
)
def test_how_a_path_finds_its_key(tmp_path: Path, key: str, path: str) -> None:
    keys = ["other/a", key, "z"]
    text = f'path,score\n"{path}",5\nother/a,1\nz,2\n'
    assert scores(table(tmp_path, text), keys)[0] == [1, 5, 2]


def test_the_longest_part_of_a_path_that_is_a_key_counts(tmp_path: Path) -> None:
    path = table(tmp_path, "path,score\nset/real/1.jpg,1\nset/1.jpg,2\n")
    assert scores(path, ["1", "real/1"])[0] == [2, 1]


def test_a_flat_copy_of_a_variant(tmp_path: Path) -> None:
    path = table(tmp_path, "path,score\njpeg-90/7.jpg,1\njpeg-90/deeper/8.jpg,2\n")
    assert scores(path, ["a/7", "b/8"])[1] == [1, 2]


def test_file_names_that_fit_two_images(tmp_path: Path) -> None:
    path = table(tmp_path, "path,score\na/1,1\nx/2.jpg,2\n")
    said = refused(path, ["a/1", "b/2", "c/2"])
    assert "other.csv: line 3: the file name 2.jpg fits 2 images, 'b/2' and 'c/2' among them" in said


def test_facts(tmp_path: Path) -> None:
    path = table(tmp_path, "path,score\nreal/1,1\n")
    facts = ScoreFile.read(path).facts
    assert (facts.name, facts.kind, facts.model) == ("other", "file", "other.csv")
    assert facts.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (facts.points, facts.probability, facts.seconds) == ((), False, None)
    told = ScoreFile.read(path, "mine", 1.5, -0.5).facts
    assert (told.name, told.points) == ("mine", (Point("own threshold", 1.5, -0.5),))


def test_probabilities_decide_at_one_half_and_give_likelihood_ratios(tmp_path: Path) -> None:
    path = table(tmp_path, "path,probability\nreal/1,0.5\nreal/2,0.25\nfake/3,0.75\nfake/4,1\n")
    file = ScoreFile.read(path)
    fitted = file.fit(images(), VARIANTS)
    assert file.facts.points == (Point("own threshold", 0.5, 0.5),)
    verdicts = file.facts.verdicts(fitted.scores[0])
    assert verdicts is not None
    assert verdicts.tolist() == ["real", "real", "generated", "generated"]
    ratios = file.facts.llr(fitted.scores[0])
    assert ratios is not None
    np.testing.assert_allclose(ratios, [0, -np.log(3), np.log(3), np.inf])
    assert any("1 probabilities of untouched are 0 or 1" in note for note in fitted.notes)
    assert ScoreFile.read(path, threshold=0.9, uncertain_from=0.1).facts.points == (Point("own threshold", 0.9, 0.1),)


def test_seconds_are_those_of_untouched_images(tmp_path: Path) -> None:
    rows = "untouched/real/1.jpg,1,0.25\nuntouched/real/2.jpg,1,0.75\njpeg-90/real/1.jpg,1,9\nuntouched/fake/3.jpg,1,\n"
    assert ScoreFile.read(table(tmp_path, f"path,score,seconds\n{rows}")).facts.seconds == 500
    assert ScoreFile.read(table(tmp_path, "key,score,seconds\na,1,2\nb,1,3\n")).facts.seconds == 2500
    by_column = "key,score,seconds,variant\na,1,2,untouched\na,1,9,jpeg-90\n"
    assert ScoreFile.read(table(tmp_path, by_column)).facts.seconds == 2000


def test_missing_images_and_errors_are_failures(tmp_path: Path) -> None:
    text = "path,score,error\nreal/1,1,\nreal/2,,out of  memory\nfake/3,nan,cannot\tbe read\n"
    fitted = ScoreFile.read(table(tmp_path, text)).fit(images(), VARIANTS)
    np.testing.assert_array_equal(fitted.scores, [[1, NAN, NAN, NAN], [NAN] * 4])
    assert fitted.failures == (
        Failure("real/2", "untouched", "other", "out of memory"),
        Failure("fake/3", "untouched", "other", "cannot be read"),
        Failure("fake/4", "untouched", "other", "the file has no row for it"),
    )
    assert "other: 1 of 4 images have no row for untouched" in fitted.notes
    assert "other: 2 of 4 images have an error instead of a score for untouched" in fitted.notes


def test_half_of_the_images_may_be_missing_and_no_more(tmp_path: Path) -> None:
    assert np.isnan(scores(table(tmp_path, "path,score\nreal/1,1\nfake/3,1\n"))[0]).sum() == 2
    said = refused(table(tmp_path, "path,score\nreal/1,1\n"))
    assert "3 of 4 images have no row for untouched" in said
    assert "the file has 'real/1', the set 'real/2'" in said


def test_constant_scores_are_noted(tmp_path: Path) -> None:
    text = "path,score\n" + "".join(f"{key},0.5\n" for key in KEYS)
    assert ScoreFile.read(table(tmp_path, text)).fit(images(), VARIANTS).notes[0] == (
        "other: all 4 scores of untouched are 0.5"
    )


@pytest.mark.parametrize("word", ["real", "REAL", " Real ", "0"])
def test_labels_in_any_spelling(tmp_path: Path, word: str) -> None:
    text = f"path,score,label\nreal/1,1,{word}\nreal/2,2,\nfake/3,3,FAKE\nfake/4,4,generated\n"
    assert scores(table(tmp_path, text))[0] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 0, "is empty"),
        ("path,score\n", 0, "has a header and no row"),
        ("file,score\na,1\n", 0, "has no column path or key"),
        ("path,points\na,1\n", 0, "has no column score or probability, but 'path', 'points'"),
        ("path,score,probability\na,1,1\n", 0, "has both a score and a probability"),
        ("path,score,Score\na,1,1\n", 0, "two columns are called score"),
        (b"path,score\n\xe9,1\n", 0, "not UTF-8 text"),
        ("path,score\nreal/1,nan\n", 2, "the score is nan"),
        ("path,score\nreal/1,1\nreal/2,-inf\n", 3, "the score is -inf"),
        ("path,score\nreal/1,high\n", 2, "score is 'high', no number"),
        ("path,score\nreal/1,1_0\n", 2, "score is '1_0', no number"),
        ("path;score\nreal/1;0,5\n", 2, "score is '0,5', no number (write 0.5)"),
        ("path,score\nreal/1,\n", 2, "has no score"),
        ("path,score,error\nreal/1,1,broken\n", 2, "has a score and an error"),
        ("path,probability\nreal/1,1.01\n", 2, "the probability is 1.01, not within 0 and 1"),
        ("path,probability\nreal/1,-0.1\n", 2, "the probability is -0.1, not within 0 and 1"),
        ("path,score,seconds\nreal/1,1,-1\n", 2, "seconds is -1"),
        ("path,score\n,1\n", 2, "names no image"),
        ("path,score\nreal/1,1,2\n", 2, "3 cells, the header has 2"),
        ('path,score\nreal/1,1\n"real/2,2\n', 3, "not readable as CSV"),
        ("path,score,label\nreal/1,1,real\nreal/2,1,photo\n", 3, "unknown label 'photo'"),
        ("path,score,label\nreal/1,1,real\nfake/3,1,real\n", 3, "'fake/3' is called real, and is generated in the set"),
        ("path,score\nreal/1,1\nfake/3,1\nreal/1,2\n", 4, "'real/1' has a score in line 2 already"),
        ("path,score\nreal/1,1\nfake/3,1\nx/real/1.png,2\n", 4, "'x/real/1.png' has a score in line 2 already"),
        (
            "path,score,variant\njpeg-90/real/1.jpg,1,untouched\n",
            2,
            "the variant is untouched, but the name says jpeg-90",
        ),
        ('path,score,note\nreal/1,1,"a\nb"\nreal/1,1,\n', 4, "'real/1' has a score in line 2 already"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(tmp_path: Path, text: str | bytes, line: int, said: str) -> None:
    found = refused(table(tmp_path, text))
    where = f"other.csv: line {line}: " if line else "other.csv: "
    assert where in found
    assert said in found


def test_rows_that_fit_nothing_are_listed(tmp_path: Path) -> None:
    text = "path,score\nreal/1,1\n" + "".join(f"nowhere/{n}.jpg,1\n" for n in range(10, 15))
    said = refused(table(tmp_path, text))
    assert "5 of 6 rows fit no image of the set: 'nowhere/10.jpg' (line 3), " in said
    assert "'nowhere/12.jpg' (line 5), ..." in said
    assert "for example 'real/1'" in said


def test_rows_of_images_that_are_not_evaluated_are_passed_over_and_said(tmp_path: Path) -> None:
    file = ScoreFile.read(table(tmp_path, "path,score\n" + "".join(f"{key},{at}\n" for at, key in enumerate(KEYS))))
    fitted = file.fit(images(KEYS[1:3]), VARIANTS, others=[KEYS[0], KEYS[3]])
    np.testing.assert_array_equal(fitted.scores, [[1, 2], [NAN] * 2])
    assert fitted.notes[-1] == "other: 2 rows are about images of the set that are not evaluated"
    with pytest.raises(DataError, match="all of its 4 rows are about images that are not evaluated"):
        file.fit(images(["real/9", "fake/9"]), VARIANTS, others=KEYS)


def test_a_file_name_that_fits_an_image_left_out_as_well_fits_two(tmp_path: Path) -> None:
    file = ScoreFile.read(table(tmp_path, "path,score\n/x/1.png,1\n"))
    assert file.fit(images(["a/1"]), VARIANTS).scores[0].tolist() == [1]
    with pytest.raises(DataError, match=r"line 2: the file name 1\.png fits 2 images"):
        file.fit(images(["a/1"]), VARIANTS, others=["b/1"])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        ScoreFile.read(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("threshold", "uncertain", "said"),
    [
        (None, 0.1, "needs a threshold"),
        (0.1, 0.2, "uncertain from 0.2 lies above the threshold of 0.1"),
        (NAN, None, "a threshold of nan makes no sense for a score"),
    ],
)
def test_thresholds_that_make_no_sense(
    tmp_path: Path, threshold: float | None, uncertain: float | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        ScoreFile.read(table(tmp_path, "path,score\na,1\n"), None, threshold, uncertain)


def test_a_threshold_of_probabilities_lies_within_0_and_1(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a threshold of 2 makes no sense for a probability"):
        ScoreFile.read(table(tmp_path, "path,probability\na,1\n"), threshold=2)


def test_keys_with_undecodable_bytes_are_found_as_the_manifest_spells_them(tmp_path: Path) -> None:
    keys = ["real/\udce9", "fake/1"]
    assert scores(table(tmp_path, "key,score\nuntouched/real/\\udce9,1\nfake/1,2\n"), keys)[0] == [1, 2]
    assert scores(table(tmp_path, "path,score\nuntouched/real/%ED%B3%A9.png,1\nfake/1,2\n"), keys)[0] == [1, 2]

"""The plan is a function of law, record and one generator; prompts, seeds, sizes and reasons are as stated."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.location import File
from contrafake.generate.config import GenerateConfig
from contrafake.generate.job import Compression, Job, Skip, Treatment
from contrafake.generate.plan import Donors, Planner, donors_of, fill_template, plain_caption, seed_of_attempt
from contrafake.generate.record import BuildRecord, CaptionedReal, RealFacts

CAMERA = RealFacts(640, 480, "JPEG", True, 83, "4:2:0", (0, 0), 1000, "00")
TEXT = {"name": "text", "kind": "text-to-image", "model": "sd", "revision": "c0ffee", "steps": 20, "guidance": 5.5}
TURNED = {"name": "turned", "kind": "image-to-image", "model": "sd", "strength": 0.3, "prompt": "a photo"}
THROUGH = {"name": "through", "kind": "reconstruction", "model": "vae", "noise": 0.1}


def record(key: str = "r", caption: str = "a dog", **facts: Any) -> BuildRecord:
    return BuildRecord(CaptionedReal(key, caption, File("x.jpg"), "coco", "coco"), replace(CAMERA, **facts))


def planner(*generators: dict[str, Any], donors: Donors | None = None, seed: int = 42, **law: Any) -> Planner:
    values = {"name": "t", "seed": seed, "reals": {"data": ["x"]}, "law": law, "generators": list(generators or [TEXT])}
    return Planner(GenerateConfig.model_validate(values), donors or Donors())


def jobs(plan: Planner, of: BuildRecord) -> list[Job]:
    found = [job for job in plan.of(of) if isinstance(job, Job)]
    assert len(found) == 1 + len(plan.config.generators)
    return found


def test_the_row_of_a_pipeline_says_all_that_was_asked() -> None:
    plan = planner({**TEXT, "negative_prompt": "blurry  {caption}", "scheduler": "DDIMScheduler"})
    real, job = jobs(plan, record())
    assert (job.kind, job.model, job.revision, job.steps, job.guidance) == ("text-to-image", "sd", "c0ffee", 20, 5.5)
    assert (job.strength, job.scheduler) == (None, "DDIMScheduler")
    assert (job.prompt, job.negative_prompt) == ("a dog", "blurry a dog")
    assert (job.width, job.height) == (608, 448) == (job.frame[2] - job.frame[0], job.frame[3] - job.frame[1])
    assert (real.generator, real.kind, real.prompt, real.seed) == ("real", "real", "", 0)
    assert (real.frame, real.width, real.height) == (job.frame, 608, 448)
    assert real.treatment == Treatment(None, None, 1.0, Compression("JPEG", 83, "4:2:0"))
    phase = job.frame[0] % 16, job.frame[1] % 16
    assert job.treatment == Treatment(None, Compression("JPEG", 83, "4:2:0", phase), 1.0, real.treatment.final)
    assert len({real.key, job.key}) == 2


def test_each_kind_says_what_it_is() -> None:
    region = {"name": "region", "kind": "inpainting", "model": "m", "strength": 0.9}
    program = {"name": "program", "kind": "program", "command": ["/home/me/bin/draw", "{output}"], "version": "2.1"}
    service = {
        "name": "service",
        "kind": "service",
        "url": "https://me:secret@host:1/v1?style=me#x",
        "version": "3",
    }
    found = {job.generator: job for job in jobs(planner(TURNED, THROUGH, region, program, service), record())}
    said = {name: (job.kind, job.model, job.revision, job.strength, job.steps) for name, job in found.items()}
    assert said == {
        "real": ("real", "", "", None, None),
        "turned": ("image-to-image", "sd", "", 0.3, None),
        "through": ("reconstruction", "vae", "", 0.1, None),
        "region": ("inpainting", "m", "", 0.9, None),
        "program": ("program", "draw", "2.1", None, None),
        "service": ("service", "https://host:1/v1", "3", None, None),
    }


@pytest.mark.parametrize("kind", ["matched", "d3"])
def test_a_generator_more_changes_no_other_image(kind: str) -> None:
    donors = donors_of([CAMERA, replace(CAMERA, quality=95)])
    law: dict[str, Any] = {"kind": kind, "factor": (0.5, 0.9), "quality": (60, 90)}
    few, many = planner(TEXT, donors=donors, **law), planner(THROUGH, TEXT, TURNED, donors=donors, **law)
    records = [record(f"record {i}") for i in range(20)]
    before = [few.of(one) for one in records]
    after = [many.of(one) for one in reversed(records)][::-1]
    assert before == [[real, text] for real, _, text, _ in after]


def test_another_seed_changes_frames_seeds_and_factors_but_no_key() -> None:
    one, other = (jobs(planner(seed=seed, factor=(0.5, 0.9)), record(width=4000, height=3000)) for seed in (1, 2))
    assert [job.key for job in one] == [job.key for job in other]
    assert one[1].seed != other[1].seed
    assert one[1].frame != other[1].frame
    assert one[1].treatment.factor != other[1].treatment.factor


def test_siblings_share_frame_factor_and_final_encoding_and_have_seeds_of_their_own() -> None:
    plan = planner(TEXT, TURNED, THROUGH, factor=(0.5, 0.9), quality=(50, 95))
    for i in range(20):
        real, *made = jobs(plan, record(f"{i}"))
        assert {(job.frame, job.treatment.factor, job.treatment.final) for job in made} == {
            (real.frame, real.treatment.factor, real.treatment.final)
        }
        assert len({job.seed for job in made}) == 3


def test_what_a_generator_makes_larger_is_cut_under_the_matched_law_only() -> None:
    larger = {**TEXT, "sizes": [(512, 512), (1024, 768)]}
    _, job = jobs(planner(larger), record())
    assert (job.width, job.height, job.treatment.crop) == (1024, 768, (608, 448))
    skipped = planner({**TEXT, "sizes": [(512, 512)]}).of(record())[1]
    assert skipped == Skip("r", "text", "its sizes are smaller than the record's frame")
    _, job = jobs(planner({**TEXT, "sizes": [(512, 512)]}, kind="d3"), record())
    assert (job.width, job.height, job.treatment.crop) == (512, 512, None)


def test_without_a_caption_only_those_are_made_that_need_none() -> None:
    rows = planner(TEXT, TURNED, THROUGH).of(record(caption=" \n\0\t"))
    assert [isinstance(row, Skip) for row in rows] == [False, True, False, False]
    assert rows[1] == Skip("r", "text", "no caption")


def test_no_record_stands_without_its_real_image() -> None:
    rows = planner(TEXT, THROUGH).of(record(width=60))
    assert rows == [Skip("r", name, "the real image is smaller than 72 x 72") for name in ("real", "text", "through")]


def test_d3_draws_encodings_from_the_real_images_as_often_as_they_occur() -> None:
    png = replace(CAMERA, format="PNG", lossy=False, quality=-1, subsampling="4:2:0")
    facts = [CAMERA] * 5 + [replace(CAMERA, quality=60, subsampling="4:4:4")] * 3 + [png] * 2
    donors = donors_of(facts)
    assert donors == donors_of(facts[::-1])
    plan = planner(TEXT, THROUGH, donors=donors, kind="d3")
    drawn: Counter[Compression | None] = Counter()
    apart = 0
    for i in range(500):
        real, *made = jobs(plan, record(f"{i}"))
        assert real.treatment == Treatment(None, None, 1.0, None)
        assert (real.width, real.height) == (640, 480)
        assert all(job.treatment.earlier is None and job.treatment.factor == 1 for job in made)
        drawn.update(job.treatment.final for job in made)
        apart += made[0].treatment.final != made[1].treatment.final
    shares = {
        Compression("JPEG", 83, "4:2:0"): 0.5,
        Compression("JPEG", 60, "4:4:4"): 0.3,
        Compression("PNG"): 0.2,
    }
    assert set(drawn) == set(shares)
    assert all(abs(drawn[final] / 1000 - share) < 0.06 for final, share in shares.items())
    assert abs(apart / 500 - 0.62) < 0.09  # 1 - 0.25 - 0.09 - 0.04: each image draws for itself


def test_donors_by_hand() -> None:
    donors = Donors(("JPEG", "PNG"), (90, -1), ("4:2:0", ""), (3, 1))
    assert [donors.pick(share)[0] for share in (0.0, 0.5, 0.749, 0.75, 0.999)] == ["JPEG"] * 3 + ["PNG"] * 2
    assert donors_of([]).pick(0.5) == ("JPEG", -1, "4:2:0")


@pytest.mark.parametrize(
    ("template", "caption", "prompt"),
    [
        ("{caption}", "a {caption} of {x}", "a {caption} of {x}"),
        ("{style}, {caption}, {0} {", "a dog", "{style}, a dog, {0} {"),
        ("{caption} and  {caption}\n", "x", "x and x"),
        ("{caption.__class__} {caption!r}", "x", "{caption.__class__} {caption!r}"),
    ],
)
def test_templates_fill_in_captions_and_nothing_else(template: str, caption: str, prompt: str) -> None:
    assert fill_template(template, caption) == prompt


def test_captions_become_one_line() -> None:
    assert plain_caption("\n  a\tdog \0 runs \r\nsecond line") == "a dog runs"
    assert plain_caption("naïve café \u4e2d") == "naïve café \u4e2d"


@given(st.text())
def test_a_caption_has_no_line_breaks_and_is_stable(text: str) -> None:
    caption = plain_caption(text)
    assert caption == " ".join(caption.split()) == plain_caption(caption)
    assert "\0" not in caption


def test_seeds_of_attempts() -> None:
    assert seed_of_attempt(123, 0) == 123
    seeds = {seed_of_attempt(seed, attempt) for seed in range(50) for attempt in range(20)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert {seed_of_attempt(7, 3) for _ in range(3)} == {seed_of_attempt(7, 3)}

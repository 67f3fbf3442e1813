"""Published CoDE weights become a bundle: weights from safetensors, classifiers read and never unpickled."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake import __version__
from contrafake.adapt.official import PATTERNS, TERMS, read_published
from contrafake.adapt.official_card import NOTICE, imported_card
from contrafake.adapt.official_heads import KINDS, ORIGINS, read_heads
from contrafake.errors import MissingExtraError, UsageError
from contrafake.model.bundle import sha256
from contrafake.model.bundle_config import BundleConfig, Preprocessing
from contrafake.model.bundle_writing import write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.adapt.official import Published
    from contrafake.model.bundle import Bundle

NEEDED = ("onnx", "torch", "transformers")
"""What importing needs beyond the light installation; the extra "train" brings it."""

_SHORT_COMMIT = 12


def import_published(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    revision: str | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Bundle:
    """Turns the published layout of CoDE into a bundle.

    The official preprocessing is kept: one centre crop, padded with black, never resized. Nothing is calibrated: the
    decision is that of the published classifiers.

    Args:
        source: A folder in the published layout, or a repository of the Hub as ``OWNER/NAME`` or
            ``OWNER/NAME@REVISION``. A folder of that name is taken first.
        out: Folder of the bundle; an older bundle there is replaced.
        revision: Branch, tag or commit of the repository.
        report: Told in one line what is being done.

    Returns:
        The written bundle, with the hashes of the files that it was made from in ``training["imported"]``.

    Raises:
        BundleError: A file is missing, damaged or not of the published kind; it is named.
        MissingExtraError: torch, transformers or onnx is not installed.
        UsageError: The address makes no sense.

    Example:
        >>> from contrafake.adapt.importing import import_published
        >>> bundle = import_published("aimagelab/CoDE", "code-published")  # doctest: +SKIP
    """
    if missing := ", ".join(name for name in NEEDED if find_spec(name) is None):
        raise MissingExtraError("importing weights", f"not installed: {missing}", 'pip install "contrafake[train]"')
    from contrafake.adapt.official_weights import encoder_config, load_encoder  # noqa: PLC0415 - once torch is there
    from contrafake.train.export import export_onnx  # noqa: PLC0415 - imports torch

    folder, repo, commit = _fetched(source, revision, report)
    published = read_published(folder)
    report("reading the weights")
    encoder = load_encoder(published)
    report("reading the classifiers")
    heads, found = read_heads(published.classifiers, encoder.dimension)
    facts = {
        **_facts(published, repo, commit),
        "heads": {name: path.relative_to(folder).as_posix() for name, (path, _) in found.items()},
        "missing": [name for name in KINDS.values() if name not in heads],
        "scikit-learn": sorted({estimator.version or "unknown" for _, estimator in found.values()}),
    }
    config = BundleConfig(
        method="code",
        name=_name(repo),
        version=commit[:_SHORT_COMMIT] if commit else "published",
        architecture={**encoder_config(published).model_dump(mode="json"), "dimension": encoder.dimension},
        preprocessing=Preprocessing(
            geometry="crop", crop_size=published.vit.image_size, default_crops=1, small_images="black"
        ),
        heads=list(heads),
        default_head=next(iter(heads)),
        native_threshold=0.0,
        origins=list(ORIGINS),
        training={"imported": facts},
    )
    report("writing the graph")
    with tempfile.TemporaryDirectory() as scratch:
        from safetensors.torch import save_file  # noqa: PLC0415 - needs torch

        graph, weights = Path(scratch) / "model.onnx", Path(scratch) / "model.safetensors"
        export_onnx(encoder, graph, published.vit.image_size)
        save_file(encoder.state_dict(), weights)
        texts = {"README.md": imported_card(config), "NOTICE": NOTICE}
        return write_bundle(out, config, model=graph, heads=heads, calibrations={}, texts=texts, weights=weights)


def _fetched(
    source: str | os.PathLike[str], revision: str | None, report: Callable[[str], None]
) -> tuple[Path, str, str]:
    """Folder, repository and commit; both empty where a folder was given."""
    text = os.fspath(source)
    from contrafake.model.hub import fetch, is_address, parse_address  # noqa: PLC0415 - only where one imports

    if Path(text).is_dir() or not is_address(text):
        if revision is not None:
            raise UsageError("revision", f"{text} is no repository of the Hub", "leave it out")
        return Path(text), "", ""
    address = parse_address(text)
    if None not in {revision, address.revision} and revision != address.revision:
        raise UsageError("revision", f"{revision!r} is not that of {text}", "give one of them")
    fetched = fetch(address.repo_id, revision or address.revision, PATTERNS, report=report)
    return fetched.path, address.repo_id, fetched.commit


def _facts(published: Published, repo: str, commit: str) -> dict[str, Any]:
    return {
        "repo": repo,
        "commit": commit,
        "contrafake": __version__,
        "files": {name: sha256(path) for name, path in published.files.items()},
        "layer_norm_eps": published.vit.layer_norm_eps,
        "unused": list(published.unused),
        "terms": [name for name in TERMS if (published.folder / name).is_file()],
    }


def _name(repo: str) -> str:
    """`code-published`, or after the repository where it is not that of the authors."""
    return "code-published" if repo in {"", "aimagelab/CoDE"} else repo.partition("/")[2].lower()

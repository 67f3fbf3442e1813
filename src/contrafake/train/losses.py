"""The CoDE objective: class-level contrast of whole images, and contrast of local with global views.

Reference: Baraldi et al., Contrasting Deepfakes Diffusion via Contrastive Learning and Global-Local Similarities, ECCV
2024, section 3; symbols as in its figure 2 (r real, f generated; ' transformed; glob, loc crops). What goes beyond it,
several positives, negatives of other processes and of earlier steps, native local views, is off by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from contrafake.train.contrast import info_nce, supervised_contrast

if TYPE_CHECKING:
    from contrafake.train.config import LossConfig
    from contrafake.train.gather import Gather
    from contrafake.train.negatives import Queue


@dataclass(frozen=True)
class Views:
    """Embeddings of the views of one class, each (n, D), row i from image i.

    With G generated images per record the real class has B rows and the generated one B * G, image g of record i in
    row i * G + g.

    Attributes:
        clean: r or f.
        transformed: r' or f'.
        wide: r^glob or f^glob.
        local: r^loc or f^loc.
        native: (m, n, D), m local views of each image at native resolution; None where there are none.
    """

    clean: Tensor
    transformed: Tensor
    wide: Tensor
    local: Tensor
    native: Tensor | None = None


@dataclass(frozen=True)
class LossTerms:
    """The loss to minimise and what it is made of; every term is a scalar.

    Attributes:
        total: What is back-propagated.
        real: Mean of the real class's terms.
        generated: Mean of the generated class's terms.
        global_real: Contrast of whole real images.
        global_generated: Contrast of whole generated images.
        multi_scale_real: Contrast of local with global views of real images; zero when switched off.
        multi_scale_generated: The same for generated images.
        native_real: The part of `multi_scale_real` that native local views have; zero where there are none.
        native_generated: The same for generated images.
    """

    total: Tensor
    real: Tensor
    generated: Tensor
    global_real: Tensor
    global_generated: Tensor
    multi_scale_real: Tensor
    multi_scale_generated: Tensor
    native_real: Tensor
    native_generated: Tensor


def code_loss(
    real: Views,
    generated: Views,
    permutations: tuple[Tensor, Tensor],
    config: LossConfig,
    *,
    origins: tuple[Tensor, Tensor] | None = None,
    gather: Gather | None = None,
    queue: Queue | None = None,
) -> LossTerms:
    """The CoDE loss of one batch.

    A whole image is drawn to the transformed view of *other* images of its class and pushed from all transformed
    images of the other class; a local view is drawn to its *own* image's global view and pushed from the other class's
    global views. Images of one class are never each other's negatives, unless positives go by origin.

    Among W processes with gathered negatives the *joint batch* holds the W n images of a class, those of process 0
    first; else it is the process's own batch. Each process's loss is the mean over its own queries; averaging gradients
    over processes, as DistributedDataParallel does, gives those of the mean over the joint batch.

    Args:
        real: Views of the real images of this process, n_r rows.
        generated: Views of its generated images, n_f rows.
        permutations: For real and generated images, (N,) indices into the joint batch, the same in all processes: the
            positive of image i is the transformed view of image permutation[i]. Use `derangement`, so that no image is
            its own positive. Other positives than "one" do not depend on them.
        config: Temperature and variants.
        origins: Codes of the images' origins, (n_r,) and (n_f,) int64; needed for positives "origin", which takes all
            real images for one origin.
        gather: Joins the batches of processes; without effect unless `config.negatives` is "gathered".
        queue: Further negatives of earlier steps; it is not changed.

    Returns:
        The terms; `total` is differentiable in every view that it involves.

    Raises:
        ValueError: If a permutation has not the length of the joint batch, or origins are needed and missing.
    """
    gather = gather if config.negatives == "gathered" else None
    keys = _joint_keys(real, generated, gather, queue)
    for own, permutation in zip(keys, permutations, strict=True):
        if len(permutation) != len(own.transformed):
            raise ValueError(f"a permutation of {len(permutation)} for a joint batch of {len(own.transformed)} images")
    codes = _joint_origins(keys, config, origins, gather)
    rank = 0 if gather is None else gather.rank

    def of_class(
        views: Views, own: _Keys, other: _Keys, permutation: Tensor, origins: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        first, last = rank * len(views.clean), (rank + 1) * len(views.clean)
        negatives = torch.cat([other.transformed, other.past_transformed])
        if config.positives == "one":
            positive = own.transformed[permutation[first:last]]
            whole = info_nce(views.clean, positive, negatives, config.temperature)
        else:
            keys = own.transformed
            whole = supervised_contrast(views.clean, keys, origins, negatives, config.temperature, first=first)
        if not config.multi_scale:
            return whole, whole, torch.zeros_like(whole), torch.zeros_like(whole)
        scales, native = _multi_scale(views, torch.cat([other.wide, other.past_wide]), config.temperature)
        return (whole + scales) / 2, whole, scales, native

    found_real = of_class(real, keys[0], keys[1], permutations[0], codes[0])
    found_generated = of_class(generated, keys[1], keys[0], permutations[1], codes[1])
    total = found_real[0] + found_generated[0] if config.generated_term else 2 * found_real[0]
    return LossTerms(total, *(term for pair in zip(found_real, found_generated, strict=True) for term in pair))


def derangement(size: int, generator: torch.Generator) -> Tensor:
    """A permutation without fixed point, drawn as the official code does.

    A uniform permutation; where it leaves any element in place (63 % of the time), a shift by one instead.

    Args:
        size: B >= 2.
        generator: CPU generator.

    Returns:
        (B,) int64.

    Raises:
        ValueError: If `size` is below 2, where no such permutation exists.
    """
    if size < 2:
        raise ValueError("a batch needs at least two records: the positive is another image of the class")
    drawn = torch.randperm(size, generator=generator)
    identity = torch.arange(size)
    return identity.roll(1) if bool((drawn == identity).any()) else drawn


@dataclass(frozen=True)
class _Keys:
    """What one class offers to queries: views of the joint batch, (N, D), and those of earlier steps, (m, D)."""

    transformed: Tensor
    wide: Tensor
    past_transformed: Tensor
    past_wide: Tensor


def _joint_keys(real: Views, generated: Views, gather: Gather | None, queue: Queue | None) -> tuple[_Keys, _Keys]:
    """The keys of both classes, gathered at once: one collective forward, one backward, the same in all processes."""
    own = [real.transformed, real.wide, generated.transformed, generated.wide]
    if gather is None:
        joint = own
    else:
        by_process = gather(torch.cat(own)).reshape(gather.size, -1, own[0].shape[1])
        joint = [part.flatten(0, 1) for part in torch.split(by_process, [len(rows) for rows in own], dim=1)]
    found = []
    for label, (transformed, wide) in zip(("real", "generated"), (joint[:2], joint[2:]), strict=True):
        past = [transformed[:0]] * 2 if queue is None else [queue.rows(label, kind) for kind in ("transformed", "wide")]
        found.append(_Keys(transformed, wide, *past))
    return found[0], found[1]


def _joint_origins(
    keys: tuple[_Keys, _Keys],
    config: LossConfig,
    origins: tuple[Tensor, Tensor] | None,
    gather: Gather | None,
) -> tuple[Tensor, Tensor]:
    """By what the images of the joint batch are told apart, (N,) int64 of each class: nothing, unless by origin."""
    real, generated = (torch.zeros(len(own.wide), dtype=torch.int64, device=own.wide.device) for own in keys)
    if config.positives != "origin":
        return real, generated
    if origins is None:
        raise ValueError("positives by origin need the origins of the images")
    codes = origins[1].to(generated.device)
    return real, codes if gather is None else gather(codes)


def _multi_scale(views: Views, negatives: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Mean of the local-global contrast over all kinds of local views, and over the native ones (0 without)."""
    upsampled = info_nce(views.local, views.wide, negatives, temperature)
    if views.native is None:
        return upsampled, torch.zeros_like(upsampled)
    kinds = len(views.native)
    native = info_nce(views.native.flatten(0, 1), views.wide.repeat(kinds, 1), negatives, temperature)
    return (upsampled + kinds * native) / (1 + kinds), native

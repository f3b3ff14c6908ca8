"""Weights of the original research code, under our names.

Only names are translated; shapes and values stay. The authors' names are listed in the tests' golden files.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_NLCUNET_NAMES = (
    (r"^Restorer\.", ""),
    (r"^encoder_block(\d)\.", r"encoder\1."),
    (r"^decoder_block(\d)\.", r"decoder\1."),
    (r"^latent_block\.", "latent."),
    (r"^refine_block\.", "refinement."),
    (r"^(down|up)(\d)\.body\.", r"\1\2."),
    (r"^conv1x1_1\.", "merge1."),
    (r"^upscale\.", "upsampler."),
    (r"(^|\.)nla\.conv_match\.0\.", r"\1attention.query."),
    (r"(^|\.)nla\.conv_assembly\.0\.", r"\1attention.value."),
    (r"(^|\.)conv_match\.0\.", r"\1query."),
    (r"(^|\.)conv_assembly\.0\.", r"\1value."),
    (r"(^|\.)conv_local\.", r"\1local."),
    (r"(^|\.)conv1_last\.", r"\1merge."),
    (r"(^|\.)ca\.body\.0\.", r"\1channel_attention.squeeze."),
    (r"(^|\.)ca\.body\.2\.", r"\1channel_attention.excite."),
    (r"(^|\.)gdfn\.project_in\.", r"\1feed_forward.expand."),
    (r"(^|\.)gdfn\.dwconv\.", r"\1feed_forward.depthwise."),
    (r"(^|\.)gdfn\.project_out\.", r"\1feed_forward.contract."),
)


def nlcunet_name(original: str) -> str:
    """Our name of a weight of the authors' NLCUnet (whole network, single block or single attention layer)."""
    name = original
    for pattern, replacement in _NLCUNET_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def nlcunet_from_original(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of the authors' NLCUnet under our names; hash rotations are not in it and keep our own values."""
    return {nlcunet_name(name): value for name, value in state.items()}

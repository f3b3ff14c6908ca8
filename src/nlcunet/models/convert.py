"""Weights of the original research code, under our names.

Only names are translated; shapes and values stay. The authors' names are listed in the tests' golden files.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from nlcunet.errors import ConfigError

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

_PARTS = (
    (r"^Restorer\.", "restorer."),
    (r"^Estimator\.", "estimator."),
    (r"\.upscale\.", ".upsampler.layers."),
    (r"^encoder$", "coder.matrix"),
)
"""What the networks with an estimator have in common."""

_DAN_V1_NAMES = (
    *_PARTS,
    (r"\.head_LR\.", ".low_res_head."),
    (r"\.head_HR\.", ".high_res_head."),
    (r"\.out\.", ".tail."),
    (r"\.body\.(\d+)\.body\.3\.body\.0\.", r".body.\1.channel_attention.squeeze."),
    (r"\.body\.(\d+)\.body\.3\.body\.2\.", r".body.\1.channel_attention.excite."),
    (r"\.body\.(\d+)\.body\.0\.", r".body.\1.conv1."),
    (r"\.body\.(\d+)\.body\.2\.", r".body.\1.conv2."),
)

_DAN_V2_NAMES = (
    *_PARTS,
    (r"\.head1\.", ".head."),
    (r"\.head2\.", ".code_head."),
    (r"\.head_LR\.0\.", ".low_res_head."),
    (r"\.head_HR\.0\.", ".high_res_head."),
    (r"^estimator\.tail\.0\.", "estimator.tail."),
    (r"^estimator\.tail\.2\.", "estimator.pixels."),
    (r"^restorer\.body\.(\d+)\.body\.", r"restorer.groups.\1.blocks."),
    (r"^estimator\.body\.body\.", "estimator.body.blocks."),
    (r"\.body1\.", ".picture."),
    (r"\.body2\.", ".condition."),
)

_DCLS_NAMES = (
    *_PARTS,
    (r"\.conv_first\.", ".head."),
    (r"^estimator\.head\.0\.", "estimator.head."),
    (r"^estimator\.body\.0\.", "estimator.body."),
    (r"^estimator\.tail\.4\.", "estimator.code."),
    (r"^estimator\.dec\.", "estimator.filters."),
    (r"\.feature_block\.", ".features."),
    (r"\.conv1\.", ".pair.0."),
    (r"\.conv2\.", ".pair.2."),
    (r"\.head1\.", ".plain_head."),
    (r"\.head2\.reduce_feature\.", ".deconvolution.reduce."),
    (r"\.head2\.grad_filter\.", ".deconvolution.regulariser."),
    (r"\.head2\.expand_feature\.", ".deconvolution.expand."),
    (r"^restorer\.body\.(\d+)\.body\.", r"restorer.groups.\1.blocks."),
    (r"\.body1\.", ".deconvolved."),
    (r"\.body2\.", ".plain."),
    (r"\.CA_body1\.1\.", ".merge.1."),
    (r"\.CA_body1\.2\.conv_du\.0\.", ".deconvolved_attention.squeeze."),
    (r"\.CA_body1\.2\.conv_du\.2\.", ".deconvolved_attention.excite."),
    (r"\.CA_body2\.conv_du\.0\.", ".plain_attention.squeeze."),
    (r"\.CA_body2\.conv_du\.2\.", ".plain_attention.excite."),
)

NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "NLCUnet": _NLCUNET_NAMES,
    "DANv1": _DAN_V1_NAMES,
    "DANv2": _DAN_V2_NAMES,
    "DCLS": _DCLS_NAMES,
}
"""What is replaced by what in a name, in order, by architecture."""

_DERIVED = {"init_kernel", "init_ker_map"}
"""Buffers of DAN that follow from its principal components; ours are computed when needed."""


def rename(architecture: str, original: str) -> str:
    """Our name of a weight of the original network (or of one of its blocks or layers)."""
    name = original
    for pattern, replacement in NAMES[architecture]:
        name = re.sub(pattern, replacement, name)
    return name


def from_original(architecture: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of the original network under our names."""
    if architecture not in NAMES:
        raise ConfigError(f"original weights must be of {', '.join(NAMES)}: got {architecture!r}")
    return {
        rename(architecture, name): value[0] if name == "encoder" else value  # a batch of one matrix, there
        for name, value in state.items()
        if name not in _DERIVED
    }


def nlcunet_from_original(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of the authors' NLCUnet under our names; hash rotations are not in it and keep our own values."""
    return from_original("NLCUnet", state)

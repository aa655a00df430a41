"""The classifiers that timm knows by name, found without importing it."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Top-1 on ImageNet's validation set as torchvision's documentation states it of these weights (IMAGENET1K_V1 and V2),
# at 224 pixels of a centre crop. On a subset, with the head cut to it, a teacher does better.
PUBLISHED_TOP1 = {
    "resnet18.tv_in1k": 0.69758,
    "resnet34.tv_in1k": 0.73314,
    "resnet50.tv_in1k": 0.76130,
    "resnet101.tv_in1k": 0.77374,
    "resnet152.tv_in1k": 0.78312,
    "resnet50.tv2_in1k": 0.80858,
    "resnet101.tv2_in1k": 0.81886,
    "resnet152.tv2_in1k": 0.82284,
}

_REGISTERED = re.compile(r"^@register_model\s*\n(?:@.*\n)*def (\w+)", re.MULTILINE)
_TAGGED = re.compile(r"""['"](\w+)\.(\w[\w.-]*)['"]\s*:""")


@cache
def timm_tags() -> dict[str, frozenset[str]]:
    """timm's architectures, and of each the tags of its pretrained weights that are written out in timm's code.

    Its source is read instead of run: importing it takes seconds, and every plan would pay for that.
    """
    sources = [path.read_text(encoding="utf-8") for path in sorted(_timm_models().glob("*.py"))]
    names = sorted({name for source in sources for name in _REGISTERED.findall(source)})
    tags: dict[str, set[str]] = {name: set() for name in names}
    for source in sources:
        for name, tag in _TAGGED.findall(source):
            if name in tags:
                tags[name].add(tag)
    return {name: frozenset(found) for name, found in tags.items()}


def _timm_models() -> Path:
    return Path(find_spec("timm").origin).parent / "models"

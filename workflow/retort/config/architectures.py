"""Our own classifiers that teachers and students may name, described without importing torch."""

# family: the class that builds it (see retort.models.classifiers); the rest: its arguments.
ARCHITECTURES: dict[str, dict] = {
    "resnet8s": {"family": "small_resnet", "widths": (8, 16, 32)},  # 20 k parameters, for 32 px and two CPU cores
    "resnet8": {"family": "small_resnet", "widths": (16, 32, 64)},  # 78 k parameters, for 32 px
    "resnet8x2": {"family": "small_resnet", "widths": (32, 64, 128)},  # 310 k parameters, for 32 px
    # Minimax's and IDC's (hard labels): instance norm, and for the ResNets a stem by image size.
    **{f"convnet{depth}": {"family": "convnet", "width": 128, "depth": depth} for depth in (3, 4, 5, 6)},
    "resnet_ap10": {"family": "resnet", "blocks": (1, 1, 1, 1), "pooled": True},
    "resnet18_in": {"family": "resnet", "blocks": (2, 2, 2, 2)},
    "resnet50_in": {"family": "resnet", "blocks": (3, 4, 6, 3), "bottleneck": True},
    "resnet101_in": {"family": "resnet", "blocks": (3, 4, 23, 3), "bottleneck": True},
    # The same with batch norm, an option of theirs: torchvision's network from 129 px on.
    "resnet18_bn": {"family": "resnet", "blocks": (2, 2, 2, 2), "norm": "batch"},
    # RDED's (soft labels) for 32 and 64 px: batch norm, and no pool after a 3x3 stem. Plain ResNets are timm's.
    **{
        f"convnet{depth}_bn": {"family": "convnet", "width": 128, "depth": depth, "norm": "batch"}
        for depth in (3, 4, 5, 6)
    },
    "resnet18_modified": {"family": "resnet", "blocks": (2, 2, 2, 2), "norm": "batch", "stem": "small"},
}


def smallest_side(arch: str) -> int:
    """Pixels a side that an image must have at least."""
    return 2 ** ARCHITECTURES.get(arch, {}).get("depth", 0)

"""The classifiers that teachers and students may name, described without importing torch."""

# family: the class that builds it (see retort.models.classifiers); the rest: its arguments.
ARCHITECTURES: dict[str, dict] = {
    "resnet8s": {"family": "resnet", "widths": (8, 16, 32)},  # 20 k parameters, for 32 px and two CPU cores
    "resnet8": {"family": "resnet", "widths": (16, 32, 64)},  # 78 k parameters, for 32 px
    "resnet8x2": {"family": "resnet", "widths": (32, 64, 128)},  # 310 k parameters, for 32 px
    "convnet3": {"family": "convnet", "width": 128, "depth": 3},  # the field's ConvNet-3, instance norm
    "convnet4": {"family": "convnet", "width": 128, "depth": 4},
    "convnet5": {"family": "convnet", "width": 128, "depth": 5},
    "convnet6": {"family": "convnet", "width": 128, "depth": 6},
}

"""Train a teacher's network by epochs, and keep the network after each of them."""

import shutil

from torch import nn

from retort.artifacts.dynamics import epoch_directory
from retort.artifacts.pixels import open_split
from retort.artifacts.teacher_quality import measured
from retort.base.errors import RetortError
from retort.base.files import whole_directory
from retort.data.manifest import read_classes
from retort.models.epoch_training import trained_by_epochs
from retort.models.judging import TRAINED_BADLY
from retort.models.teacher import save_teacher
from retort.models.training_state import Checkpoint


def train_dynamics(
    train: str,
    val: str,
    class_table: str,
    training: str,
    checkpoint: Checkpoint,
    *,
    name: str,
    run: int,
    arch: str,
    epochs: int,
    until: int,
    seed: int,
    settings: dict,
) -> None:
    """A directory with the network after each epoch, saved as a teacher is: epoch0001 and on.

    settings: those of `trained_by_epochs`. The networks of finished epochs wait beside the checkpoint, so that a
    training that was stopped is resumed and not begun again. Raises RetortError when the last network is no better on
    the validation images than a guess, because nothing that it says of an image would mean anything.
    """
    classes, (pixels, labels) = [c.id for c in read_classes(class_table)], open_split(train)
    waiting = checkpoint.path.with_suffix("")

    def keep(epoch: int, network: nn.Module) -> None:
        with whole_directory(epoch_directory(waiting, epoch)) as scratch:
            save_teacher(network, scratch, arch, classes, pixels.shape[1])

    length = {"epochs": epochs, "until": until}
    words = (seed, "dynamics", name, "run", run)
    module = trained_by_epochs(pixels, labels, arch, words, keep, checkpoint, **length, **settings)
    measured(module, val, classes, None, f"{name}, run {run}", TRAINED_BADLY)
    with whole_directory(training) as scratch:
        for epoch in range(1, until + 1):
            if not epoch_directory(waiting, epoch).is_dir():
                raise RetortError(
                    f"{epoch_directory(waiting, epoch)} is gone, which an earlier attempt left; delete "
                    f"{checkpoint.path} and run again"
                )
            shutil.copytree(epoch_directory(waiting, epoch), epoch_directory(scratch, epoch))
    checkpoint.clear()
    shutil.rmtree(waiting)

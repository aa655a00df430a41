"""Random crops, scored by a teacher's cross-entropy (RDED, CVPR 2024)."""

from retort.base.words import counted
from retort.parts.scores import CropScore


class TeacherScore(CropScore):
    """Patches are random square crops, scored by a teacher's cross-entropy; one crop per image at most (RDED)."""

    told_by = "teacher"

    def losses(self, logits, labels):
        from retort.methods.mosaics import crop_losses

        return crop_losses(logits, labels)

    def in_words(self) -> str:
        return f"the random crops that {self.teacher} finds easiest"

    def in_full(self, record) -> str:
        return (
            f"Patches: the best of {counted(self.crops, 'random crop')} of each of "
            f"{counted(self.images, 'real image')} a class, by the cross-entropy of the teacher {self.teacher}."
        )

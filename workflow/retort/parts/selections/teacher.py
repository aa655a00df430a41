"""What a teacher recognises, by its confidence (CaO2's objective-guided sampling, ICCV 2025)."""

from typing import Literal

from pydantic import Field

from retort.parts.part import TeacherName
from retort.parts.selections import Chosen, Selection, among


class TeacherSelect(Selection):
    """The images that a teacher recognises are kept, by its confidence (CaO2's objective-guided sampling)."""

    told_by = "teacher"
    seeded = False
    seconds = 0
    examples = ({"keep": "confident"}, {"keep": "uncertain"}, {"teacher_input": "raw"})

    teacher: TeacherName = Field(description="This teacher classifies the images.")
    keep: Literal["confident", "uncertain"] = Field(
        "confident",
        description="Among the images that are classified correctly these are kept first; CaO2's paper keeps the "
        "uncertain ones at 50 images per class.",
    )
    teacher_input: Literal["normalised", "raw"] = Field(
        "normalised",
        description="The teacher sees images in this form: normalised as it was trained, or raw in [-1, 1], as in "
        "CaO2's code; raw is for pools only.",
    )

    def choose(self, seen, count, seed):
        from retort.methods.confidence import rank_candidates

        ranked = rank_candidates(seen.logits, seen.class_index, self.keep)
        members = ranked.order[:count].tolist()
        correct = [int(ranked.correct[m]) for m in members]
        confidence = [round(float(ranked.confidence[m]), 6) for m in members]
        return Chosen(members, {"correct": correct, "confidence": confidence})

    def sees_raw(self) -> bool:
        return self.teacher_input == "raw"

    def clashes(self, method):
        yield from super().clashes(method)
        if self.sees_raw() and not method.generate:
            yield (
                "select.teacher_input: raw is for a pool; the teacher sees real images normalised, as it was trained; "
                "leave it out, or add generate"
            )

    def in_words(self) -> str:
        return f"the real images that {self.teacher} recognises, the {self.keep} ones first"

    def pool_in_words(self) -> str:
        return f"keeps those that {self.teacher} recognises, the {self.keep} ones first"

    def in_full(self, record) -> str:
        return f"Chosen: images {among(record)} that the teacher {self.teacher} recognises, {self.keep} ones first."

"""What covers a class in a space of features, by one of the coverages (`retort.parts.coverages`)."""

from pydantic import Field, model_validator

from retort.base.grammar import exactly_one
from retort.parts.part import EncoderName, TeacherName
from retort.parts.resolve import any_of, listed, ours
from retort.parts.selections import Chosen, Selection, among


class CoverageSelect(Selection):
    """The images that cover the class are kept."""

    told_by = "coverage"
    seeded = False  # the coverage says whether it is
    examples = (
        *({"coverage": name, "encoder": "any"} for name in ours("coverages")),
        {"coverage": "herding", "teacher": "any"},
    )

    coverage: any_of("coverages", listed("coverages")) = Field(
        description=f"A class is covered in this way: {listed('coverages')}."
    )
    encoder: EncoderName | None = Field(
        None, description="The latents of this encoder are covered; give either this or teacher."
    )
    teacher: TeacherName | None = Field(
        None, description="The features of this teacher are covered; give either this or encoder."
    )

    @model_validator(mode="after")
    def _one_space(self):
        exactly_one(self, "encoder", "teacher", "encoder (cover its latents) and teacher (cover its features)")
        return self

    def choose(self, seen, count, seed):
        from retort.methods.rows import prepared

        return Chosen(list(map(int, self.coverage.cover(prepared(seen.features, count), count, seed))))

    def reads_order(self) -> bool:
        return self.coverage.reads_order()

    def in_words(self) -> str:
        space = f"latents of {self.encoder}" if self.encoder else f"features of {self.teacher}"
        return f"real images that cover the class ({self.coverage.in_words()}) in {space}"

    def pool_in_words(self) -> str:
        return f"keeps those that cover the class ({self.coverage.kind})"

    def in_full(self, record) -> str:
        space = f"the latents of {self.encoder}" if self.encoder else f"the features of {self.teacher}"
        return f"Chosen: images {among(record)} that cover their class in {space} ({self.coverage.kind})."

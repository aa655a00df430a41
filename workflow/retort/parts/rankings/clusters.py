"""Patches ranked for diversity, one of each cluster in turn (after Siglidis et al., ECCV 2024)."""

from pydantic import Field, model_validator

from retort.base.grammar import Count, exactly_one
from retort.base.words import counted
from retort.parts.part import EncoderName, TeacherName
from retort.parts.rankings import Ranking


class Clusters(Ranking):
    """Patches are ranked for diversity: k-means clusters the class, then each cluster gives a patch in turn."""

    assumed = True
    examples = ({"clusters": 3, "encoder": "any"}, {"clusters": 3, "teacher": "any"})

    clusters: Count = Field(32, description="The patches of a class form this many clusters.")
    encoder: EncoderName | None = Field(
        None, description="Patches are clustered in the latents of this encoder; give either this or teacher."
    )
    teacher: TeacherName | None = Field(
        None, description="Patches are clustered in the features of this teacher; give either this or encoder."
    )

    @model_validator(mode="after")
    def _one_space(self):
        exactly_one(self, "encoder", "teacher", "encoder (its latents) and teacher (its features)")
        return self

    def order(self, features, scores, seed):
        from retort.methods.diversity import diverse_ranking

        return diverse_ranking(features, scores, self.clusters, seed)

    def in_words(self) -> str:
        return f"one of each of {counted(self.clusters, 'cluster')} in turn"

    def taken(self) -> str:
        space = f"latents of {self.encoder}" if self.encoder else f"features of {self.teacher}"
        return f"from each of {counted(self.clusters, 'cluster')} ({space}) in turn"

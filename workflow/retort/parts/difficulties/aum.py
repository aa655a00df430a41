"""AUM: the area under the margin (Pleiss et al., NeurIPS 2020), on probabilities, as coverage-centric selection."""

from retort.parts.difficulties import OverEpochs


class Aum(OverEpochs):
    """An image is hard where its label's probability, less the largest of another class, stays low over training."""

    examples = ({}, {"epochs": [3, 3]})

    def after_epoch(self, lessons, run, epoch):
        from retort.methods.lessons import margin_of

        return -margin_of(lessons.logits[run, epoch], lessons.labels)

    def in_words(self) -> str:
        return f"the area under the margin over {self.when()}"

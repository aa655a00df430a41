"""EL2N: the length of a network's error early in training (Paul et al., NeurIPS 2021, "Data Diet")."""

from retort.parts.difficulties import OverEpochs


class El2n(OverEpochs):
    """An image is hard where the probabilities are far from its label, |p - y| (EL2N)."""

    examples = ({}, {"epochs": [1, 2]})

    def after_epoch(self, lessons, run, epoch):
        from retort.methods.lessons import error_length

        return error_length(lessons.logits[run, epoch], lessons.labels)

    def in_words(self) -> str:
        return f"EL2N over {self.when()}"

